"""A user pool for deployers who have no identity provider."""

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.config import DeploymentConfig
from infra.constructs.removal import protected, removal_policy


class UserPool(Construct):
    """Cognito: people sign in by email on its hosted pages; an administrator invites them.

    Made only when the configuration names no issuer. A pool that the configuration names gets an app client
    and is otherwise left alone: its users, its rules and its sign-in pages are its owner's.
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: DeploymentConfig) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._pages = [f"{origin}/" for origin in config.api.allowed_origins]
        existing = config.api.user_pool_id
        self.pool: cognito.IUserPool
        self.domain: cognito.UserPoolDomain | None = None
        if existing is not None:
            self.pool = cognito.UserPool.from_user_pool_id(self, "Pool", existing)
            self.issuer = _issuer_of(existing, existing.partition("_")[0])  # an id begins with its region
            self.client = self._client()
            return
        own = self._own_pool()
        self.pool, self.issuer = own, _issuer_of(own.user_pool_id, cdk.Aws.REGION)
        self.client = self._client()
        # Cognito's domains are shared by everybody in a region: the account makes the name unique.
        self.domain = own.add_domain(
            "Domain",
            cognito_domain=cognito.CognitoDomainOptions(
                domain_prefix=f"onramp-{config.stage.name}-{cdk.Aws.ACCOUNT_ID}"
            ),
        )

    @property
    def sign_in_url(self) -> str | None:
        """The hosted login of the stack's own pool; it leads back to the first of the allowed origins."""
        if self.domain is None:
            return None
        return self.domain.sign_in_url(self.client, redirect_uri=self._pages[0])

    def _own_pool(self) -> cognito.UserPool:
        stage = self._config.stage
        return cognito.UserPool(
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
            removal_policy=removal_policy(stage),
            # An update of the pool sets what the template leaves out to Cognito's default, which is off.
            deletion_protection=protected(stage),
        )

    def _client(self) -> cognito.UserPoolClient:
        return self.pool.add_client(
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


def _issuer_of(user_pool_id: str, region: str) -> str:
    """What tokens of a pool name as their issuer; the pool's own attribute for it the emulator lacks."""
    return f"https://cognito-idp.{region}.{cdk.Aws.URL_SUFFIX}/{user_pool_id}"
