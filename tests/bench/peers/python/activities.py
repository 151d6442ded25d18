"""Shared by the peers in Python: the attributes of an item, and the form of an activity in the API."""

import hashlib
import json
import re
from datetime import datetime, timezone

ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ACTION = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
STATUSES = {"succeeded", "failed", "in_progress", "declined"}
FIELDS = {"id", "occurred_at", "customer", "action", "status", "actor", "target", "reason", "changes", "correlation_id", "source", "details"}


class Invalid(Exception):
    """A field is missing or wrong."""


def checked(activity):
    """Checks the fields of an activity and returns its instant."""
    if not isinstance(activity, dict):
        raise Invalid("an activity is an object")
    if unknown := activity.keys() - FIELDS:
        raise Invalid(f"unknown fields: {sorted(unknown)}")
    if not ID.fullmatch(activity.get("id", "")):
        raise Invalid("/id")
    if not ACTION.fullmatch(activity.get("action", "")):
        raise Invalid("/action")
    if activity.get("status", "succeeded") not in STATUSES:
        raise Invalid("/status")
    if not activity.get("actor", {}).get("id"):
        raise Invalid("/actor/id")
    if "customer" in activity and not activity["customer"].get("id"):
        raise Invalid("/customer/id")
    try:
        occurred_at = datetime.fromisoformat(activity["occurred_at"].replace("Z", "+00:00"))
    except (KeyError, ValueError) as wrong:
        raise Invalid("/occurred_at") from wrong
    return occurred_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def item_of(partner, activity, occurred_at, recorded_at):
    """Returns the item of an activity, with the attributes that the recording function writes."""
    month = occurred_at[:7]
    actor, customer, target = activity["actor"], activity.get("customer"), activity.get("target", {})
    item = {
        "pk": f"{partner}#{month}",
        "sk": f"{occurred_at}#{activity['id']}",
        "r": recorded_at,
        "a": activity["action"],
        "u": actor["id"],
        "un": actor.get("name"),
        "ur": actor.get("role"),
        "ui": actor.get("ip"),
        "ua": actor.get("user_agent"),
        "t": target.get("id"),
        "tt": target.get("type"),
        "tn": target.get("name"),
        "re": activity.get("reason"),
        "co": activity.get("correlation_id"),
        "so": activity.get("source"),
    }
    if actor.get("type", "user") != "user":
        item["ut"] = actor["type"]
    if activity.get("status", "succeeded") != "succeeded":
        item["s"] = activity["status"]
    if customer:
        item |= {"c": customer["id"], "cn": customer.get("name"), "ck": f"{partner}#{customer['id'].lower()}#{month}"}
    if activity.get("changes"):
        item["ch"] = json.dumps(activity["changes"], separators=(",", ":"), ensure_ascii=False)
    if "details" in activity:
        item["d"] = json.dumps(activity["details"], separators=(",", ":"), ensure_ascii=False)
        item["dz"] = len(item["d"].encode())
    content = {name: value for name, value in activity.items() if name not in ("id", "occurred_at")}
    item["h"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:16]
    return {name: value for name, value in item.items() if value is not None}


def shown(partner, item, with_details=False):
    """Returns an item in the form of the API."""
    occurred_at, _, identifier = item["sk"].partition("#")
    activity = {
        "id": identifier,
        "occurred_at": occurred_at,
        "recorded_at": item["r"],
        "partner_id": partner,
        "action": item["a"],
        "status": item.get("s", "succeeded"),
        "actor": _present(type=item.get("ut", "user"), id=item["u"], name=item.get("un"), role=item.get("ur"), ip=item.get("ui"), user_agent=item.get("ua")),
        "reason": item.get("re"),
        "has_details": "dz" in item,
        "details_size": int(item.get("dz", 0)),
        "url": f"/v1/partners/{partner}/activities/{identifier}?occurred_at={occurred_at}",
    }
    if "c" in item:
        activity["customer"] = _present(id=item["c"], name=item.get("cn"))
    if "t" in item or "tt" in item or "tn" in item:
        activity["target"] = _present(type=item.get("tt"), id=item.get("t"), name=item.get("tn"))
    if "ch" in item:
        activity["changes"] = json.loads(item["ch"])
    for name, attribute in (("correlation_id", "co"), ("source", "so")):
        if attribute in item:
            activity[name] = item[attribute]
    if with_details and "d" in item:
        activity["details"] = json.loads(item["d"])
    return activity


def _present(**fields):
    return {name: value for name, value in fields.items() if value is not None}
