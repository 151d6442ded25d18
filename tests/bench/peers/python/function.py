"""The recording and the listing function in the ordinary way of Python: boto3's table resource and a runtime loop.

Run `python function.py record` or `… query` with the variables that the function has on Lambda.
"""

import base64
import http.client
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import boto3
from activities import Invalid, checked, item_of, shown
from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config
from botocore.exceptions import ClientError

READERS = {"global_admin", "billing_admin", "admin_agent", "user_management_admin", "sales_agent", "helpdesk_agent", "reader"}
# Reads are eventually consistent, so a list is complete up to a while ago.
SETTLE_TIME = timedelta(seconds=120)
HEADERS = {"content-type": "application/json", "cache-control": "no-store"}

table = boto3.resource("dynamodb", config=Config(max_pool_connections=32)).Table(os.environ["ACTIVITIES_TABLE"])
pool = ThreadPoolExecutor(32)


def main():
    """Takes events from the Runtime API, one after the other."""
    handler = {"record": record, "query": query}[sys.argv[1]]
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        runtime.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = runtime.getresponse()
        request_id = answer.getheader("Lambda-Runtime-Aws-Request-Id")
        event = json.loads(answer.read())
        result = json.dumps(handler(event)).encode()
        runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", result)
        runtime.getresponse().read()


def answered(status, body):
    """Logs and returns an answer of the function."""
    print(json.dumps({"level": "INFO", "status": status, "message": "answered"}), flush=True)
    return {"statusCode": status, "headers": HEADERS, "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")), "isBase64Encoded": False}


def partner_of(event, roles):
    """Returns the partner of the path, or a refusal if the caller may not act for the partner."""
    caller = event["requestContext"]["authorizer"]
    partner = event["pathParameters"]["partner"]
    if caller["partner"] != partner:
        return None, answered(404, {"title": "There is nothing here"})
    if not roles & set(caller["roles"].split()):
        return None, answered(403, {"title": "Your role does not allow this"})
    return partner, None


def record(event):
    """Records one activity, or many."""
    partner, refused = partner_of(event, {"recorder"})
    if refused:
        return refused
    body = event["body"]
    body = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    if "activities" not in body:
        status, result = put(partner, body)
        return answered(status, result)
    results = list(pool.map(lambda activity: put(partner, activity), body["activities"]))
    rows = [
        {
            "index": index,
            "id": result.get("id"),
            "occurred_at": result.get("occurred_at"),
            "status": {201: "recorded", 200: "duplicate"}.get(status, "rejected"),
        }
        for index, (status, result) in enumerate(results)
    ]
    count = lambda word: sum(row["status"] == word for row in rows)
    return answered(200, {"results": rows, "recorded": count("recorded"), "duplicates": count("duplicate"), "rejected": count("rejected")})


def put(partner, activity):
    """Puts one activity if none has its key."""
    try:
        occurred_at = checked(activity)
    except Invalid as wrong:
        return 400, {"title": "The request is not valid", "detail": str(wrong)}
    recorded_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    item = item_of(partner, activity, occurred_at, recorded_at)
    try:
        table.put_item(Item=item, ConditionExpression=Attr("pk").not_exists(), ReturnValuesOnConditionCheckFailure="ALL_OLD")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        if error.response["Item"]["h"]["B"] != item["h"]:
            return 409, {"title": "This conflicts with what is stored"}
        return 200, shown(partner, item, with_details=True)
    return 201, shown(partner, item, with_details=True)


def query(event):
    """Returns a page of a list, newest first."""
    partner, refused = partner_of(event, READERS)
    if refused:
        return refused
    asked = event["queryStringParameters"] or {}
    limit = int(asked.get("limit", 100))
    period = Key("pk").eq(f"{partner}#{asked['from'][:7]}") & Key("sk").between(asked["from"], asked["to"] + "T24")
    start = {}
    if "cursor" in asked:
        start = {"ExclusiveStartKey": json.loads(base64.urlsafe_b64decode(asked["cursor"]))}
    page = table.query(KeyConditionExpression=period, ScanIndexForward=False, Limit=limit, ConsistentRead=not start, **start)
    following = page.get("LastEvaluatedKey")
    cursor = base64.urlsafe_b64encode(json.dumps(following).encode()).decode() if following else None
    rows = [shown(partner, item) for item in page["Items"]]
    period = {"from": asked["from"], "to": asked["to"], "time_zone": "UTC"}
    complete_through = (datetime.now(timezone.utc) - SETTLE_TIME).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return answered(200, {"activities": rows, "range": period, "complete_through": complete_through, "next_cursor": cursor})


main()
