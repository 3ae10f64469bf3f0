"""Where the relay puts bodies that are too large for a queue or the bus."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import StageConfig
from infra.constructs.removal import removal_policy


class Bodies(Construct):
    """A bucket of the stack's own, encrypted with the table's key; what is in it is gone after `days`.

    Not versioned: what has expired must be gone. A stage whose data goes with the stack has to empty it
    first, which CloudFormation does not do.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageConfig, key: kms.IKey, days: int
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One use of the key serves many objects.
            bucket_key_enabled=True,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="Expire",
                    expiration=cdk.Duration.days(days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=removal_policy(stage),
        )

    @property
    def objects_arn(self) -> str:
        """The ARN that stands for everything in the bucket."""
        return self.bucket.arn_for_objects("*")
