"""Files, added in three steps (copper-api.md section 11)."""

from __future__ import annotations

import pytest

from crmsync.sandbox import UploadError


@pytest.mark.parametrize("plural", ["people", "companies", "opportunities", "leads", "projects"])
def test_a_file_is_added_in_three_steps(api, plural):
    """Get an address, send the bytes there, name the key."""
    path = f"/{plural}/{api.new(plural)}/files"
    place = api("GET", f"{path}/s3_signed_url")
    api.sandbox.upload(place["key"], b"hello", "text/plain")
    file = api("POST", path, {"file_name": "a.txt", "key": place["key"]})

    assert place["url"].endswith(place["key"])
    assert file == {
        "id": 900_001,
        "is_deleted": False,
        "file_name": "a.txt",
        "file_size": 5,
        "content_type": "text/plain",
        "creator_id": 50_001,
        "date_created": 1_700_000_000,
        "date_modified": 1_700_000_000,
    }
    assert api("GET", path) == [file]
    assert api("GET", f"{path}/{file['id']}") == file
    assert api.status("POST", path, {"file_name": "a.txt", "key": place["key"]}) == 422


def test_files_that_cannot_be(api):
    """Unknown keys, records and files; tasks have none."""
    path = f"/people/{api.new('people')}/files"
    key = api("GET", f"{path}/s3_signed_url")["key"]

    assert api.status("POST", path, {"file_name": "a.txt", "key": key}) == 422
    assert api.status("POST", path, {"key": key}) == 422
    assert api.status("GET", f"{path}/900001") == api.status("GET", "/people/5/files") == 404
    assert api("GET", f"/tasks/{api.new('tasks')}/files") == {"error": "not_found"}
    with pytest.raises(UploadError):
        api.sandbox.upload("elsewhere", b"")
