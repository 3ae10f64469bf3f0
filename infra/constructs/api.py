"""The HTTP API: routes, who may call them, from which pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.catalogue import FunctionName, logical_id
from infra.config import ApiConfig

Guard = Literal["jwt", "iam", "open"]
WEBHOOK_PATH = "/v1/webhooks/360dialog"
REQUEST_HEADERS = ("authorization", "content-type", "idempotency-key", "if-none-match")
ANSWER_HEADERS = ("etag", "location", "retry-after")
# For all callers together; bursts come from 360dialog's redeliveries.
REQUESTS_PER_SECOND = 200
BURST = 400


@dataclass(frozen=True, slots=True)
class Route:
    """One route: `guard` says who is let through to the function."""

    method: Literal["GET", "POST"]
    path: str
    function: FunctionName
    guard: Guard = "jwt"


ROUTES = (
    Route("GET", "/v1/config", "signup_queries", "open"),
    Route("POST", "/v1/signups", "code_exchange"),
    Route("GET", "/v1/signups", "signup_queries"),
    Route("GET", "/v1/signups/{signup_id}", "signup_queries"),
    Route("POST", "/v1/signups/{signup_id}/code", "code_exchange"),
    Route("POST", "/v1/signups/{signup_id}/numbers", "number_submission"),
    Route("POST", "/v1/signups/{signup_id}/retry", "number_submission"),
    Route("GET", "/v1/channels/{channel_id}/api-key", "signup_queries", "iam"),
    # Open to the gateway: the function checks 360dialog's signature.
    Route("POST", WEBHOOK_PATH, "webhook_receiver", "open"),
)


class Api(Construct):
    """The HTTP API with its routes; `url` without a slash at its end."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ApiConfig,
        functions: Mapping[FunctionName, lambda_.IFunction],
        issuer: str,
        audience: tuple[str, ...],
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigw.HttpApi(
            self,
            "Http",
            description="Onramp",
            create_default_stage=False,
            cors_preflight=apigw.CorsPreflightOptions(
                allow_origins=list(config.allowed_origins),
                allow_methods=[apigw.CorsHttpMethod.GET, apigw.CorsHttpMethod.POST],
                allow_headers=list(REQUEST_HEADERS),
                expose_headers=list(ANSWER_HEADERS),
                max_age=cdk.Duration.hours(1),
            ),
        )
        self._guards: Mapping[Guard, apigw.IHttpRouteAuthorizer] = {
            "jwt": authorizers.HttpJwtAuthorizer("Jwt", issuer, jwt_audience=list(audience)),
            "iam": authorizers.HttpIamAuthorizer(),
            "open": apigw.HttpNoneAuthorizer(),
        }
        self._add_routes(functions)
        # Access logs belong here.
        self.stage = apigw.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigw.ThrottleSettings(rate_limit=REQUESTS_PER_SECOND, burst_limit=BURST),
        )

    @property
    def url(self) -> str:
        """The API's address."""
        return self.api.api_endpoint

    def _add_routes(self, functions: Mapping[FunctionName, lambda_.IFunction]) -> None:
        targets = {
            name: integrations.HttpLambdaIntegration(logical_id(name), function)
            for name, function in functions.items()
        }
        for route in ROUTES:
            self.api.add_routes(
                path=route.path,
                methods=[apigw.HttpMethod[route.method]],
                integration=targets[route.function],
                authorizer=self._guards[route.guard],
            )
