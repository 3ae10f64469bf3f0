"""A key of moto's KMS, made in no time."""

import functools
from typing import Any, Final
from unittest import mock

from moto.kms import models, utils

_kept_pair: Final = functools.cache(utils.generate_private_key)


def make_key(kms: Any) -> str:
    """The id of a new symmetric key.

    moto makes a pair of RSA for it as well, which nobody signs with and which takes longer than most tests;
    so all keys of a process have the same one. What is encrypted depends on the key's own material.
    """
    with mock.patch.object(models, "generate_private_key", _kept_pair):
        return str(kms.create_key()["KeyMetadata"]["KeyId"])
