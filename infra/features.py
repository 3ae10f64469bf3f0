"""The CDK's switches that the template depends on.

In code rather than in ``cdk.json``, so that the template is the same with and without the CDK's command line,
and the same in an app of somebody else's.
"""

from collections.abc import Mapping
from types import MappingProxyType

FEATURES: Mapping[str, object] = MappingProxyType(
    {
        "@aws-cdk/aws-iam:minimizePolicies": False,  # one statement for each grant of a card
        "@aws-cdk/core:checkSecretUsage": True,
        "@aws-cdk/core:target-partitions": ["aws", "aws-cn", "aws-us-gov"],
        "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
        "@aws-cdk/aws-lambda:recognizeVersionProps": True,
        "@aws-cdk/aws-kms:reduceCrossAccountRegionPolicyScope": True,
        # Where each function's code is, for tools that run the template on a laptop.
        "aws:cdk:enable-asset-metadata": True,
    }
)
