"""The SAM template as data: short forms such as `!Ref X` are read as {"Ref": "X"}."""

from pathlib import Path

import yaml

from environments import ROOT

TEMPLATE = ROOT / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with the intrinsic functions of CloudFormation, which the loader writes in their long form."""


def _construct_function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _construct_function)


def load(path: Path = TEMPLATE) -> dict:
    """Reads a template."""
    return yaml.load(path.read_text(), _Loader)


def functions(path: Path = TEMPLATE) -> dict[str, str]:
    """Maps the crate of each function to the name of its resource, in the template's order."""
    resources = load(path)["Resources"].items()
    return {each["Properties"]["CodeUri"].removeprefix("functions/"): name for name, each in resources if each["Type"] == "AWS::Serverless::Function"}
