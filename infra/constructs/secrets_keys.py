"""Encryption keys, and the secret with what upstreams have given us."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy


class SecretsAndKeys(Construct):
    """Two keys that rotate each year, and one secret.

    The secret is made without a value: whatever reads it fails closed until somebody has put one, JSON
    ``{"meta_app_secret": "…", "partner_api_key": "…", "platform_secrets": ["…"]}``. No deployment touches
    the value afterwards.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageConfig) -> None:
        super().__init__(scope, construct_id)
        self.table_key = self._key("TableKey", "Onramp: the table", stage)
        self.envelope_key = self._key("EnvelopeKey", "Onramp: business tokens and channel keys", stage)
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

    def _key(self, name: str, description: str, stage: StageConfig) -> kms.Key:
        return kms.Key(
            self,
            name,
            description=description,
            enable_key_rotation=True,
            removal_policy=removal_policy(stage),
            pending_window=cdk.Duration.days(30 if stage.removal == "retain" else 7),
        )
