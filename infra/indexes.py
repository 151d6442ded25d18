"""Updates of a stack that change more than one index of a table.

CloudFormation refuses an update that adds or removes more than one index of a DynamoDB table, also if one is added and another
one removed. So a deployment takes several updates, each of which changes one index. New indexes come first, so that the
functions of both versions find the index that they read.
"""

import copy

from botocore.exceptions import ClientError

TABLE = "AWS::DynamoDB::Table"


def steps(deployed: list, wanted: list) -> list:
    """Returns the indexes of a table after each update but the last, which has the wanted ones."""
    old, new = ({index["IndexName"]: index for index in indexes} for indexes in (deployed, wanted))
    current, found = dict(old), []
    for name in sorted(new.keys() - old.keys()):
        current = current | {name: new[name]}
        found.append(current)
    for name in sorted(old.keys() - new.keys()):
        current = {each: index for each, index in current.items() if each != name}
        found.append(current)
    return [list(step.values()) for step in found[:-1]]


def templates(built: dict, deployed: dict) -> list:
    """Returns the template of each update but the last. `deployed` has the indexes of existing tables, by logical id."""
    found = []
    for name, indexes in deployed.items():
        wanted = built["Resources"].get(name, {}).get("Properties", {}).get("GlobalSecondaryIndexes", [])
        for step in steps(indexes, wanted):
            template = copy.deepcopy(found[-1] if found else built)
            properties = template["Resources"][name]["Properties"]
            properties["GlobalSecondaryIndexes"] = step
            known = {each["AttributeName"] for each in properties["AttributeDefinitions"]}
            keys = {key["AttributeName"] for index in step for key in index["KeySchema"]}
            # The keys of an index that goes away. All keys of this service's indexes are texts.
            properties["AttributeDefinitions"] += [{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys - known)]
            found.append(template)
    return found


def deployed_indexes(session, stack: str) -> dict:
    """Returns the indexes of a stack's tables by their logical ids, or nothing if there is no such stack."""
    try:
        pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        tables = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == TABLE and each["ResourceStatus"] != "DELETE_COMPLETE"
        }
    except ClientError:
        # The deployment says what is wrong, if it is more than a stack that does not exist.
        return {}
    dynamodb = session.client("dynamodb")
    found = {}
    for name, table in tables.items():
        described = dynamodb.describe_table(TableName=table)["Table"]
        kept = ("IndexName", "KeySchema", "Projection")
        found[name] = [{key: index[key] for key in kept} for index in described.get("GlobalSecondaryIndexes", [])]
    return found
