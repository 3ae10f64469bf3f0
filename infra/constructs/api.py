"""The HTTP API: routes, who may call them, how often, from which pages, and what is logged of a call."""

import json
import re
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from constructs import Construct

from contract.routes import HUBS, META, PAGES, ROUTES, Access, Route
from infra.cards import logical_id
from infra.config import ApiConfig, StageConfig
from infra.constructs.log_groups import log_group

REQUEST_HEADERS = ("authorization", "content-type", "idempotency-key", "if-none-match")
ANSWER_HEADERS = ("etag", "location", "retry-after")
# 360dialog redelivers in bursts, and a webhook refused is one that comes again.
WEBHOOKS_PER_SECOND = 200
WEBHOOK_BURST = 400
# Anybody may call the routes of a link's customer, and each costs a function: enough for a thousand customers
# who wait for their numbers, and no more.
LINKED_PER_SECOND = 50
LINKED_BURST = 100
# No path and no query, which carry ids and whatever a caller puts there; no header; no claim of a token.
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "ip": "$context.identity.sourceIp",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "responseBytes": "$context.responseLength",
    "integrationStatus": "$context.integrationStatus",
    "integrationLatencyMs": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
    "gatewayError": "$context.error.message",
}


def key_of(route: Route) -> str:
    """What API Gateway calls a route."""
    return f"{route.method} {route.path}"


def path_of(access: Access) -> str:
    """The path of the only route that is open in this way. Raises `ValueError` when there are more."""
    (path,) = (route.path for route in ROUTES if route.access == access)
    return path


def _is_of_tenant(route: Route) -> bool:
    """Whether a role names the tenant in the path."""
    return "{tenant}" in route.path


class Api(Construct):
    """The HTTP API with its routes; addresses are without a slash at their end.

    AWS's own address answers beside a domain until the configuration says that it shall not: 360dialog calls
    it until the new one has been entered there. `key_reader` is the role of those who fetch keys, and
    `link_maker` of those who make signup links, when the configuration names any (`makers`). `page` says
    whether the hosted page has its routes, `meta` whether Meta's own webhook has, `hubs` whether there are
    more than the default one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ApiConfig,
        stage: StageConfig,
        functions: Mapping[str, lambda_.IFunction],
        issuer: str,
        audience: tuple[str, ...],
        makers: tuple[str, ...],
        page: bool,
        meta: bool,
        hubs: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._table = (
            *ROUTES,
            *(HUBS if hubs else ()),
            *(PAGES if page else ()),
            *(META if meta else ()),
        )
        self.domain = self._domain()
        # An HTTP API has one CORS setting for all its routes, the webhook's included. It helps no page
        # there: the signature's header is not among those allowed, and without it the answer is 401.
        self.api = apigw.HttpApi(
            self,
            "Http",
            api_name=cdk.Aws.STACK_NAME,
            description="Onramp",
            create_default_stage=False,
            disable_execute_api_endpoint=config.default_endpoint is False,
            cors_preflight=apigw.CorsPreflightOptions(
                allow_origins=list(config.allowed_origins),
                allow_methods=[apigw.CorsHttpMethod.GET, apigw.CorsHttpMethod.POST],
                allow_headers=list(REQUEST_HEADERS),
                expose_headers=list(ANSWER_HEADERS),
                max_age=cdk.Duration.hours(1),
            ),
        )
        self._guards: Mapping[Access, apigw.IHttpRouteAuthorizer] = {
            "jwt": authorizers.HttpJwtAuthorizer("Jwt", issuer, jwt_audience=list(audience)),
            "iam": authorizers.HttpIamAuthorizer(),
            "public": apigw.HttpNoneAuthorizer(),
            # Open to the gateway: the function checks the signature, or the link's token.
            "signed": apigw.HttpNoneAuthorizer(),
            "link": apigw.HttpNoneAuthorizer(),
        }
        routes = self._add_routes(functions)
        self.log_group = log_group(self, "AccessLog", stage=stage)
        self._stage(routes)
        self.key_reader = self._caller(
            "KeyReader", "fetches channel keys", config.key_readers, [self.key_route_arn]
        )
        self.link_maker = self._caller(
            "LinkMaker",
            "makes signup links for any tenant, lists and revokes them",
            makers,
            self.link_route_arns,
        )
        self._warn_of_two_addresses()

    @property
    def url(self) -> str:
        """The API's address: its own name where it has one."""
        return f"https://{self._config.domain_name}" if self.domain else self.api.api_endpoint

    @property
    def default_url(self) -> str | None:
        """AWS's own address of the API; None where it is switched off."""
        return None if self._config.default_endpoint is False else self.api.api_endpoint

    @property
    def key_route_arn(self) -> str:
        """What has to be allowed, as ``execute-api:Invoke``, to whoever fetches keys."""
        (arn,) = (self._arn(route) for route in ROUTES if route.access == "iam" and not _is_of_tenant(route))
        return arn

    @property
    def link_route_arns(self) -> list[str]:
        """The same for whoever makes links by IAM, for any tenant."""
        return [self._arn(route) for route in ROUTES if route.access == "iam" and _is_of_tenant(route)]

    def _arn(self, route: Route) -> str:
        path = re.sub(r"\{[^}]*\}", "*", route.path)
        return cdk.Stack.of(self).format_arn(
            service="execute-api",
            resource=self.api.api_id,
            resource_name=f"*/{route.method}{path}",  # the API has one stage
        )

    def _add_routes(self, functions: Mapping[str, lambda_.IFunction]) -> list[apigw.HttpRoute]:
        targets = {
            name: integrations.HttpLambdaIntegration(logical_id(name), function)
            for name, function in functions.items()
        }
        return [
            added
            for route in self._table
            for added in self.api.add_routes(
                path=route.path,
                methods=[apigw.HttpMethod[route.method]],
                integration=targets[route.function],
                authorizer=self._guards[route.access],
            )
        ]

    def _stage(self, routes: list[apigw.HttpRoute]) -> None:
        stage = apigw.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigw.ThrottleSettings(
                rate_limit=self._config.throttle_rate, burst_limit=self._config.throttle_burst
            ),
            domain_mapping=apigw.DomainMappingOptions(domain_name=self.domain) if self.domain else None,
        )
        resource = stage.node.default_child
        if not isinstance(resource, apigw.CfnStage):
            raise TypeError("the stage has another shape than expected")
        resource.access_log_settings = apigw.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.log_group.log_group_arn, format=json.dumps(ACCESS_LOG)
        )
        resource.route_settings = {route.key: self._limits(route) for route in self._table}
        # The gateway refuses settings of a route that it does not know yet.
        stage.node.add_dependency(*routes)

    def _caller(self, name: str, does: str, who: tuple[str, ...], arns: list[str]) -> iam.Role | None:
        """A role that may call some routes. An HTTP API lets in no other account; a role in this one may."""
        if not who:
            return None
        invoke = iam.PolicyStatement(actions=["execute-api:Invoke"], resources=arns)
        return iam.Role(
            self,
            name,
            description=f"Onramp: {does}, and can do nothing else",
            assumed_by=iam.CompositePrincipal(*(iam.ArnPrincipal(arn) for arn in who)),
            inline_policies={"Own": iam.PolicyDocument(statements=[invoke])},
        )

    def _warn_of_two_addresses(self) -> None:
        if self.domain is not None and self._config.default_endpoint is None:
            cdk.Annotations.of(self).add_warning_v2(
                "onramp:two-addresses",
                "The API answers under its domain and under AWS's own address, which 360dialog may still "
                "call. Say which is meant: api.default_endpoint = true for now, false when nobody calls that "
                "address any more.",
            )

    def _limits(self, route: Route) -> dict[str, int | bool]:
        if route.access == "signed":
            return {
                "ThrottlingRateLimit": WEBHOOKS_PER_SECOND,
                "ThrottlingBurstLimit": WEBHOOK_BURST,
                # For the alarm on what 360dialog sees; each metric of a route costs as one of our own.
                **({"DetailedMetricsEnabled": True} if route in ROUTES else {}),
            }
        if route.access == "link":
            return {"ThrottlingRateLimit": LINKED_PER_SECOND, "ThrottlingBurstLimit": LINKED_BURST}
        return {
            "ThrottlingRateLimit": self._config.throttle_rate,
            "ThrottlingBurstLimit": self._config.throttle_burst,
        }

    def _domain(self) -> apigw.DomainName | None:
        config = self._config
        if config.domain_name is None or config.certificate_arn is None:
            return None
        domain = apigw.DomainName(
            self,
            "Domain",
            domain_name=config.domain_name,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", config.certificate_arn),
            security_policy=apigw.SecurityPolicy.TLS_1_2,
        )
        if config.hosted_zone_id is not None:
            route53.CfnRecordSet(
                self,
                "Record",
                hosted_zone_id=config.hosted_zone_id,
                name=config.domain_name,
                type="A",
                alias_target=route53.CfnRecordSet.AliasTargetProperty(
                    dns_name=domain.regional_domain_name, hosted_zone_id=domain.regional_hosted_zone_id
                ),
            )
        return domain
