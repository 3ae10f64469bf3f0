"""A user pool for deployers who have no identity provider."""

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.config import DeploymentConfig
from infra.constructs.removal import removal_policy


class UserPool(Construct):
    """Cognito: people sign in by email on its hosted pages; an administrator invites them.

    Made only when the configuration names no issuer.
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: DeploymentConfig) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_symbols=True,
                require_uppercase=True,
                temp_password_validity=cdk.Duration.days(3),
            ),
            removal_policy=removal_policy(config.stage),
            deletion_protection=config.stage.removal == "retain",
        )
        self._pages = [f"{origin}/" for origin in config.api.allowed_origins]
        self.client = self.pool.add_client(
            "Browser",
            generate_secret=False,
            prevent_user_existence_errors=True,
            auth_flows=cognito.AuthFlow(user_srp=True),
            access_token_validity=cdk.Duration.hours(1),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=self._pages,
                logout_urls=self._pages,
            ),
        )
        # Cognito's domains are shared by everybody in a region: the account makes the name unique.
        self.domain = self.pool.add_domain(
            "Domain",
            cognito_domain=cognito.CognitoDomainOptions(
                domain_prefix=f"onramp-{config.stage.name}-{cdk.Aws.ACCOUNT_ID}"
            ),
        )

    @property
    def sign_in_url(self) -> str:
        """The hosted login; it leads back to the first of the allowed origins, with a code."""
        return self.domain.sign_in_url(self.client, redirect_uri=self._pages[0])

    @property
    def issuer(self) -> str:
        """What tokens of this pool name as their issuer."""
        return f"https://cognito-idp.{cdk.Aws.REGION}.amazonaws.com/{self.pool.user_pool_id}"
