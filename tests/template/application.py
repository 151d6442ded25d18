"""The template as data: short forms such as `!Ref X` read as {"Ref": "X"}."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Loader(yaml.SafeLoader):
    """YAML with the functions of CloudFormation."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _function)


class Template:
    """The template, with the questions that tests ask of it."""

    def __init__(self, path="template.yaml"):
        self.text = (ROOT / path).read_text()
        self.body = yaml.load(self.text, Loader)
        self.resources = self.body["Resources"]
        self.parameters = self.body["Parameters"]

    def of_type(self, *types):
        """Resources of these types, by name."""
        return {name: each for name, each in self.resources.items() if each["Type"] in types}

    @property
    def functions(self):
        """Functions by the name of their crate."""
        found = self.of_type("AWS::Serverless::Function").values()
        return {each["Properties"]["CodeUri"].removeprefix("functions/"): each["Properties"] for each in found}

    def variables(self, function):
        """The variables of a function, those of all functions included."""
        of_all = self.body["Globals"]["Function"]["Environment"]["Variables"]
        return of_all | self.functions[function].get("Environment", {}).get("Variables", {})

    def routes(self, function):
        """The routes that lead to a function: method, path, properties."""
        events = self.functions[function].get("Events", {}).values()
        return [(each["Properties"]["Method"], each["Properties"]["Path"], each["Properties"]) for each in events if each["Type"] == "Api"]

    def statements(self, function):
        """What a function's role allows: actions and resources, each as a list."""
        role = self.resources[self.functions[function]["Role"]["Fn::GetAtt"][0]]["Properties"]
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield _list(statement["Action"]), _list(statement["Resource"])


def _list(value):
    return value if isinstance(value, list) else [value]


def sources(function):
    """The code of a function."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "functions" / function / "src").rglob("*.rs")))
