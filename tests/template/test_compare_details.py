"""`make compare-details` compares the bytes of versions where their ETags differ, as they do with a KMS key."""

import io
import sys
from datetime import datetime, timezone

import pytest

from application import ROOT

sys.path.insert(0, str(ROOT / "infra"))

import compare_details

MOMENT = datetime(2026, 11, 25, tzinfo=timezone.utc)


class Bucket:
    """A bucket with the versions of one object, oldest first; each version has an ETag of its own, as with a KMS key."""

    def __init__(self, *contents):
        self.versions = [
            {"Key": "details/a", "VersionId": str(at), "ETag": f"etag-{at}", "Size": len(content), "LastModified": MOMENT, "IsLatest": at == len(contents) - 1}
            for at, content in enumerate(contents)
        ]
        self.contents, self.copied = contents, []

    def get_paginator(self, _call):
        return self

    def paginate(self, **_):
        return [{"Versions": self.versions[::-1]}]

    def get_object(self, VersionId, **_):
        return {"Body": io.BytesIO(self.contents[int(VersionId)])}

    def copy_object(self, CopySource, **_):
        self.copied.append(CopySource["VersionId"])


@pytest.mark.parametrize("contents, same", [([b"a"], True), ([b"a", b"a"], True), ([b"a", b"b"], False), ([b"a", b"ab"], False)])
def test_versions_are_compared_by_their_bytes(contents, same):
    found = compare_details.compare(Bucket(*contents), "bucket", say=lambda _: None)
    assert (found.same, len(found.different)) == ((1, 0) if same else (0, 1))


def test_copy_puts_the_oldest_version_back_once():
    damaged = Bucket(b"a", b"b")
    assert compare_details.compare(damaged, "bucket", copy=True).copied == 1 and damaged.copied == ["0"]
    # The copy has another ETag than the version that it restores.
    assert compare_details.compare(Bucket(b"a", b"b", b"a"), "bucket", copy=True).copied == 0
