"""Encryption keys, and the secret with what upstreams have given us."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy, retains


class SecretsAndKeys(Construct):
    """Two keys that rotate each year, and one secret. A key that the configuration names is used as it is.

    The secret is made without a value: whatever reads it fails closed until somebody has put one, JSON
    ``{"meta_app_secret": "…", "partner_api_key": "…", "platform_secrets": ["…"]}``, and for Meta's own
    webhook ``meta_verify_token`` and ``meta_system_user_token``. No deployment touches the value afterwards.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageConfig) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.table_key = self._key("TableKey", "Onramp: the table", stage.table_key_arn)
        self.envelope_key = self._key(
            "EnvelopeKey", "Onramp: business tokens and channel keys", stage.envelope_key_arn
        )
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description="Onramp: Meta's app secret, 360dialog's partner key and platform secrets",
            removal_policy=removal_policy(stage),
        )
        resource = self.secret.node.default_child
        if not isinstance(resource, secretsmanager.CfnSecret):
            raise TypeError("the secret has another shape than expected")
        resource.add_property_deletion_override("GenerateSecretString")

    def _key(self, name: str, description: str, existing_arn: str | None) -> kms.IKey:
        if existing_arn is not None:
            # Its own policy has to let this account's roles in; that is its owner's to write.
            return kms.Key.from_key_arn(self, name, existing_arn)
        return kms.Key(
            self,
            name,
            description=description,
            enable_key_rotation=True,
            removal_policy=removal_policy(self._stage),
            pending_window=cdk.Duration.days(30 if retains(self._stage) else 7),
        )
