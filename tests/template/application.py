"""Answers the questions that tests ask about the template."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import template

# The constants of the code; a test of the crate `openapi` compares them.
CONSTANTS = json.loads((ROOT / "tests" / "template" / "constants.json").read_text())


class Template:
    """A template, with the questions that tests ask about it."""

    def __init__(self, path="template.yaml"):
        self.text = (ROOT / path).read_text()
        self.body = template.load(ROOT / path)
        self.resources = self.body["Resources"]
        self.parameters = self.body["Parameters"]

    def of_type(self, *types):
        """Returns the resources of some types, by name."""
        return {name: each for name, each in self.resources.items() if each["Type"] in types}

    @property
    def functions(self):
        """The properties of the functions, by the name of their crate."""
        found = self.of_type("AWS::Serverless::Function").values()
        return {each["Properties"]["CodeUri"].removeprefix("functions/"): each["Properties"] for each in found}

    def variables(self, function):
        """Returns the variables of a function, with those of all functions."""
        of_all = self.body["Globals"]["Function"]["Environment"]["Variables"]
        return of_all | self.functions[function].get("Environment", {}).get("Variables", {})

    def routes(self, function):
        """Returns the routes of a function: method, path, properties. `heads` has those of HEAD."""
        return [route for route in self._all_routes(function) if route[0] != "HEAD"]

    def heads(self, function):
        """Returns the paths that answer HEAD, with their properties."""
        return {path: properties for method, path, properties in self._all_routes(function) if method == "HEAD"}

    def _all_routes(self, function):
        events = self.functions[function].get("Events", {}).values()
        return [(each["Properties"]["Method"], each["Properties"]["Path"], each["Properties"]) for each in events if each["Type"] == "Api"]

    def statements(self, function):
        """Yields the permissions of a function's role: actions and resources, each as a list."""
        for statement in self.rules(function):
            yield _list(statement["Action"]), _list(statement["Resource"])

    def rules(self, function):
        """Returns the statements that a function's role always has."""
        return [each for policy in self._policies(function) if "Fn::If" not in policy for each in policy["PolicyDocument"]["Statement"]]

    def conditional_rules(self, function):
        """Returns the statements that a function's role has under a condition, by the name of the condition."""
        found = [policy["Fn::If"] for policy in self._policies(function) if "Fn::If" in policy]
        assert all(otherwise == {"Ref": "AWS::NoValue"} for _, _, otherwise in found)
        return {condition: policy["PolicyDocument"]["Statement"] for condition, policy, _ in found}

    def _policies(self, function):
        return self.resources[self.functions[function]["Role"]["Fn::GetAtt"][0]]["Properties"]["Policies"]


def _list(value):
    return value if isinstance(value, list) else [value]


def sources(function, folder="functions"):
    """Returns the code of a function, or of a crate in another folder."""
    return "\n".join(path.read_text() for path in sorted((ROOT / folder / function / "src").rglob("*.rs")))
