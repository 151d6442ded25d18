"""Public routes are listed, and template and code have the same routes."""

import json
import re

import pytest

from application import ROOT, sources

PUBLIC = {"/", "/{proxy+}", "/config.json", "/openapi.json", "/docs", "/health"}
# Serves the files of the page, and answers 404 to every other path and method.
REST = "ANY /{proxy+}"
WITH_ROUTES = ["record", "query", "exports", "admin", "streams", "portal"]
ROUTE = re.compile(r'"((?:GET|POST|PUT|PATCH|DELETE) /[^"]*)"')


def test_routes_require_a_token_by_default(template):
    auth = template.resources["Api"]["Properties"]["Auth"]
    assert auth["DefaultAuthorizer"] == "Tokens"
    assert auth["AddDefaultAuthorizerToCorsPreflight"] is False
    tokens = auth["Authorizers"]["Tokens"]
    assert tokens["FunctionPayloadType"] == "REQUEST"
    assert tokens["Identity"] == {"Headers": ["Authorization"], "ReauthorizeEvery": 300}


@pytest.mark.parametrize("function", WITH_ROUTES)
def test_only_the_listed_routes_are_public(template, function):
    for method, path, properties in template.routes(function):
        is_public = path in PUBLIC and method == "GET" or f"{method} {path}" == REST
        expected = {"Authorizer": "NONE"} if is_public else None
        assert properties.get("Auth") == expected, f"{method} {path}"
        assert properties["RestApiId"] == {"Ref": "Api"}


def test_public_routes_are_exactly_those_of_the_portal(template):
    assert {path for _, path, _ in template.routes("portal")} == PUBLIC


def test_no_other_function_has_routes(template):
    assert {name for name in template.functions if template.routes(name)} == set(WITH_ROUTES)


def test_no_function_has_its_own_url(template):
    assert not [name for name, each in template.functions.items() if "FunctionUrlConfig" in each]
    assert not template.of_type("AWS::Lambda::Url")


@pytest.mark.parametrize("function", WITH_ROUTES)
def test_every_route_has_a_handler_and_the_reverse(template, function):
    deployed = {f"{method} {path}".replace(REST, "GET /{proxy+}") for method, path, _ in template.routes(function)}
    handled = set(ROUTE.findall(sources(function)))
    # A function with a single route does not dispatch.
    if not handled:
        assert len(deployed) == 1
    else:
        assert deployed == handled


@pytest.mark.parametrize("function", WITH_ROUTES)
def test_every_route_of_get_answers_head(template, function):
    gets = {path: properties for method, path, properties in template.routes(function) if method == "GET"}
    heads = template.heads(function)
    assert {path: properties | {"Method": "HEAD"} for path, properties in gets.items()} == heads


def test_browsers_may_use_every_method_and_header_of_the_api(template):
    cors = template.resources["Api"]["Properties"]["Cors"]
    methods = {method for name in WITH_ROUTES for method, _, _ in template.routes(name)} - {"ANY"}
    assert set(cors["AllowMethods"].strip("'").split(",")) == methods | {"HEAD", "OPTIONS"}
    allowed = {name.lower() for name in cors["AllowHeaders"].strip("'").split(",")}
    code = "\n".join(sources(name) for name in WITH_ROUTES) + sources("lambda", "crates")
    own = set(re.findall(r'HeaderName::from_static\("([a-z-]+)"\)', code))
    standard = {name.lower().replace("_", "-") for name in re.findall(r"header_text\(\s*request,\s*&header::([A-Z_]+)", code)}
    # A browser sets these by itself, and lets no script set them.
    standard -= {"content-length", "content-encoding"}
    # CloudEvents in binary mode: its attributes are headers (CloudEvents 1.0.2, HTTP binding, section 3.1).
    events = {f"ce-{name}" for name in ("id", "source", "specversion", "subject", "time", "type")}
    assert own and standard and own | standard | events | {"authorization"} <= allowed


def test_only_the_allowed_origin_reads_answers(template):
    allowed = {"Fn::Sub": "'${AllowedOrigin}'"}
    api = template.resources["Api"]["Properties"]
    assert api["Cors"]["AllowOrigin"] == allowed
    for name, answer in api["GatewayResponses"].items():
        assert answer["ResponseParameters"]["Headers"]["Access-Control-Allow-Origin"] == allowed, name


def test_stage_has_the_variables_that_functions_read(template):
    code = "\n".join(sources(name) for name in WITH_ROUTES) + sources("authorizer")
    read = set(re.findall(r'stage_variable(?:\(request, |s\.get\()"(\w+)"\)', code))
    assert read == set(template.resources["Api"]["Properties"]["Variables"])


def test_openapi_describes_every_route_and_no_other(template):
    document = json.loads((ROOT / "functions" / "portal" / "assets" / "openapi.json").read_text())
    described = {f"{method.upper()} {path}": operation for path, item in document["paths"].items() for method, operation in item.items()}
    deployed = {f"{method} {path}": properties for name in WITH_ROUTES for method, path, properties in template.routes(name)}
    deployed["GET /{asset}"] = deployed.pop(REST)
    assert set(described) == set(deployed)
    for route, operation in described.items():
        assert bool(operation.get("security")) == (deployed[route].get("Auth") is None), route
        parameters = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert parameters == set(re.findall(r"\{(\w+)\}", route)), route


def test_no_route_is_deployed_twice(template):
    routes = [(method, path) for name in WITH_ROUTES for method, path, _ in template.routes(name)]
    assert len(routes) == len(set(routes))


def test_unknown_path_reaches_the_portal_whatever_the_token(template):
    """The gateway answers 401 or 400 to an unknown path with a token, unless a route takes it."""
    [(_, _, properties)] = [route for route in template.routes("portal") if f"{route[0]} {route[1]}" == REST]
    assert properties["Auth"] == {"Authorizer": "NONE"}


def test_no_path_has_two_variable_children(template):
    """API Gateway refuses siblings such as `/{asset}` and `/{proxy+}`; the emulator accepts them."""
    children = {}
    for name in WITH_ROUTES:
        for _, path, _ in template.routes(name):
            parent = ""
            for part in path.strip("/").split("/"):
                if part.startswith("{"):
                    children.setdefault(parent, set()).add(part)
                parent += f"/{part}"
    assert {parent: found for parent, found in children.items() if len(found) > 1} == {}
