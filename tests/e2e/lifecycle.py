"""Applies the lifecycle rules of the template to objects, because the emulator stores the rules and applies none.

`Calendar` makes objects older by days, and removes what S3 may then remove. S3 acts on a rule from the midnight (UTC) that
follows the rule's time, often days later; the calendar acts at once.
"""

from datetime import datetime, time, timedelta, timezone
from pathlib import Path

import template

ROOT = Path(__file__).resolve().parents[2]
# What a rule may say. A rule with another action would be ignored here.
ACTIONS = {"ExpirationInDays", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}


def rules(parameters, bucket="DataBucket"):
    """Returns the rules of a bucket of the template, with the values of parameters."""
    bucket = template.load(ROOT / "template.yaml")["Resources"][bucket]["Properties"]
    found = bucket["LifecycleConfiguration"]["Rules"]
    for rule in found:
        assert rule["Status"] == "Enabled" and set(rule) - {"Id", "Status", "Prefix"} <= ACTIONS, rule
        days = rule.get("ExpirationInDays")
        if isinstance(days, dict):
            rule["ExpirationInDays"] = int(parameters[days["Ref"]])
    return found


def due(created, days):
    """Returns when S3 may act on an object: the midnight that follows the time of the rule."""
    end = created + timedelta(days=days)
    return datetime.combine(end.date() + timedelta(days=1), time(), timezone.utc)


class Calendar:
    """The passing of days for the objects with some prefixes, such as those of one partner."""

    def __init__(self, s3, bucket, rules, *prefixes):
        self._s3, self._bucket, self._rules, self._prefixes = s3, bucket, rules, prefixes
        # The days that each version and each upload is older than the emulator knows.
        self._days = {}

    def pass_days(self, days):
        """Makes everything that is stored now older, and removes nothing yet."""
        for prefix in self._prefixes:
            for each in [*self._versions(prefix), *self._uploads(prefix)]:
                self._days[_name(each)] = self._days.get(_name(each), 0) + days

    def sweep(self):
        """Removes what the rules let S3 remove by now."""
        for prefix in self._prefixes:
            for upload in self._uploads(prefix):
                self._sweep_upload(upload)
            by_key = {}
            for version in self._versions(prefix):
                by_key.setdefault(version["Key"], []).append(version)
            for versions in by_key.values():
                self._sweep_object(versions)

    def keys(self):
        """Returns the keys of all current objects."""
        return sorted(each["Key"] for prefix in self._prefixes for each in self._versions(prefix) if each["IsLatest"] and "ETag" in each)

    def leftovers(self):
        """Returns the keys of everything that is stored: versions, delete markers, parts of uploads."""
        return sorted({each["Key"] for prefix in self._prefixes for each in [*self._versions(prefix), *self._uploads(prefix)]})

    def _versions(self, prefix):
        """Returns the versions and delete markers, the newest first."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        found = [each for page in pages for each in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        # The current one is the newest; the emulator's times of other versions may be equal.
        return sorted(found, key=lambda each: (each["IsLatest"], each["LastModified"]), reverse=True)

    def _uploads(self, prefix):
        return self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix).get("Uploads", [])

    def _created(self, each):
        return each.get("LastModified", each.get("Initiated")) - timedelta(days=self._days.get(_name(each), 0))

    def _matching(self, key, action):
        return [rule for rule in self._rules if key.startswith(rule.get("Prefix", "")) and action in rule]

    def _sweep_upload(self, upload):
        for rule in self._matching(upload["Key"], "AbortIncompleteMultipartUpload"):
            if due(self._created(upload), rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]) <= _now():
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _sweep_object(self, versions):
        key, (current, *others) = versions[0]["Key"], versions
        # A version is noncurrent since the next one came.
        for newer, version in zip(versions, others):
            for rule in self._matching(key, "NoncurrentVersionExpiration"):
                if due(self._created(newer), rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) <= _now():
                    self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version["VersionId"])
        is_marker = "ETag" not in current
        for rule in self._matching(key, "ExpirationInDays"):
            if due(self._created(current), rule["ExpirationInDays"]) <= _now():
                if not is_marker:
                    self._s3.delete_object(Bucket=self._bucket, Key=key)
                elif not others:
                    self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=current["VersionId"])
        if is_marker and not others and self._matching(key, "ExpiredObjectDeleteMarker"):
            self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=current["VersionId"])


def _name(each):
    return each["Key"], each.get("VersionId", each.get("UploadId"))


def _now():
    return datetime.now(timezone.utc)
