"""boto3's clients as the functions' adapters take them: what goes wrong is an `AwsError`."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws_light import AwsError


class Translated:
    """A client whose operations raise `AwsError`, with boto3's error behind it."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - any of boto3's
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The operation of that name."""
        operation = getattr(self._client, name)

        def call(**request: object) -> Any:  # noqa: ANN401 - as AWS answers
            try:
                return operation(**request)
            except ClientError as error:
                raise _refusal(error) from error
            except BotoCoreError as error:
                kind = type(error).__name__
                raise AwsError(f"no answer: {kind}", code=kind) from error

        return call


def _refusal(error: ClientError) -> AwsError:
    answer: Any = error.response
    code = str(answer.get("Error", {}).get("Code", "ClientError"))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    reasons = tuple(str(reason.get("Code", "")) for reason in answer.get("CancellationReasons", []))
    return AwsError(f"refused with {status}: {code}", code=code, status=status, reasons=reasons)


def translated(client: Any) -> Any:  # noqa: ANN401 - typed by boto3's stubs where it is used
    """A client as the adapters take it."""
    return Translated(client)
