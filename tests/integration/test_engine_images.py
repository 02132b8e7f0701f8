# SPDX-License-Identifier: Apache-2.0
"""Images through the engine: list, inspect, tag, remove, save, load, import, history, prune, pull and push."""

import json
import re

import pytest

from support import registries
from support.daemon import IMAGE, shared_archive

pytestmark = pytest.mark.novm  # slow there, and no other on cgroup v2


@pytest.fixture
def tagged(engine):
    """Removes tags that a test made."""
    before = {tag for image in engine.get("/images/json").json for tag in image["RepoTags"]}
    yield engine
    for image in engine.get("/images/json").json:
        for tag in image["RepoTags"]:
            if tag not in before:
                engine.delete(f"/images/{tag}?force=1")


def test_list_and_inspect(engine):
    listed = [image for image in engine.get("/images/json").json if IMAGE in image["RepoTags"]][0]
    assert listed["Id"].startswith("sha256:") and listed["Size"] > 100_000 and listed["Containers"] == -1
    assert listed["Created"] == 1704067200
    found = engine.get(f"/images/{IMAGE}/json").json
    assert found["Id"] == listed["Id"] and found["Architecture"] == "amd64" and found["Os"] == "linux"
    assert found["Config"]["Cmd"] == ["sh"] and found["RootFS"]["Type"] == "layers" and len(found["RootFS"]["Layers"]) == 1
    assert engine.out("images", "-q", "busybox") == listed["Id"][7:19]
    assert engine.get(f"/images/{listed['Id'][7:19]}/json").json["Id"] == listed["Id"]


def test_unknown(engine):
    for target in ("/images/no-such/json", "/images/no-such/history", "/images/no-such/get"):
        answer = engine.get(target)
        assert answer.status in (404, 500) and "No such image: no-such" in answer.message or target.endswith("get")
    assert engine.delete("/images/no-such").status == 404
    assert engine.post("/images/no-such/tag?repo=x").status == 404


def test_tag_and_untag(tagged):
    tagged.cli("tag", IMAGE, "other:1")
    assert tagged.get("/images/other:1/json").json["Id"] == tagged.get(f"/images/{IMAGE}/json").json["Id"]
    assert tagged.out("rmi", "other:1") == "Untagged: other:1"
    answer = tagged.post(f"/images/{IMAGE}/tag?repo=UPPER&tag=x")
    assert answer.status == 400 and "repository name" in answer.message and "must be lowercase" in answer.message


def test_history(engine):
    found = engine.get(f"/images/{IMAGE}/history").json
    assert len(found) == 1 and found[0]["CreatedBy"] == "COPY busybox /bin" and found[0]["Tags"] == [IMAGE]


def test_in_use(tagged):
    tagged.cli("tag", IMAGE, "used:1")
    identity = tagged.get(f"/images/{IMAGE}/json").json["Id"]
    name = tagged.start_container()
    answer = tagged.delete(f"/images/{identity}")
    assert answer.status == 409
    assert "unable to delete" in answer.message and ("must be forced" in answer.message or "being used" in answer.message)
    assert tagged.inspect(name)["State"]["Running"]


def test_save_and_load(tagged, tmp_path):
    tagged.cli("tag", IMAGE, "saved:1")
    tagged.cli("save", "-o", tmp_path / "x.tar", "saved:1")
    tagged.cli("rmi", "saved:1")
    assert tagged.out("load", "-i", tmp_path / "x.tar") == "Loaded image: saved:1"
    assert tagged.out("run", "--rm", "--network", "none", "saved:1", "echo", "x") == "x"


def test_load_of_nonsense(engine, tmp_path):
    (tmp_path / "x.tar").write_bytes(b"nonsense" * 1000)
    assert engine.fails("load", "-i", tmp_path / "x.tar")
    assert engine.get("/_ping").status == 200


def test_import(tagged, tmp_path):
    name = tagged.start_container()
    tagged.cli("export", "-o", tmp_path / "x.tar", name)
    identity = tagged.out("import", "-c", "ENV A=b", "-m", "words", tmp_path / "x.tar", "imported:1")
    assert re.fullmatch("sha256:[0-9a-f]{64}", identity)
    assert tagged.out("run", "--rm", "--network", "none", "imported:1", "/bin/sh", "-c", "echo $A") == "b"
    assert tagged.get("/images/imported:1/json").json["Comment"] == "words"


def test_prune(tagged, tmp_path):
    name = tagged.start_container()
    first = tagged.out("commit", "-c", "LABEL keep=no", name, "pruned:1")
    tagged.out("commit", "-c", "LABEL keep=yes", name, "pruned:1")
    tagged.cli("rm", "-f", name)
    dangling = [image["Id"] for image in tagged.get("/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D").json]
    assert dangling == [first]
    report = tagged.post("/images/prune").json
    assert first in [each.get("Deleted") for each in report["ImagesDeleted"]]
    assert tagged.get("/images/pruned:1/json").status == 200


def test_filters(tagged):
    tagged.cli("tag", IMAGE, "apple:1")
    tagged.cli("tag", IMAGE, "apple:2")
    names = tagged.out("images", "--filter", "reference=apple", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(names) == ["apple:1", "apple:2"]
    names = tagged.out("images", "--filter", "reference=app*:2", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert names == ["apple:2"]
    assert tagged.out("images", "-q", "--filter", "label=none") == ""
    answer = tagged.get("/images/json?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D")
    assert answer.status == 400 and "invalid filter 'nonsense'" in answer.message


def test_events(tagged):
    with tagged.events() as events:
        tagged.cli("tag", IMAGE, "evented:1")
        tagged.cli("rmi", "evented:1")
        found = [events.next(), events.next()]
    assert [(event["Type"], event["Action"]) for event in found] == [("image", "tag"), ("image", "untag")]
    assert found[0]["Actor"]["Attributes"]["name"].endswith("evented:1")


def test_image_config_is_heeded(tagged):
    name = tagged.start_container()
    changes = ['ENTRYPOINT ["echo", "from"]', 'CMD ["image"]', "ENV A=image B=image", "WORKDIR /tmp", "USER user", "LABEL l=image",
               "EXPOSE 80/tcp", "STOPSIGNAL SIGINT", "VOLUME /vol"]
    tagged.out("commit", *[word for change in changes for word in ("-c", change)], name, "configured:1")
    assert tagged.out("run", "--rm", "--network", "none", "configured:1") == "from image"
    assert tagged.out("run", "--rm", "--network", "none", "configured:1", "args") == "from args"
    assert tagged.out("run", "--rm", "--network", "none", "-e", "B=run", "--entrypoint", "sh", "configured:1", "-c",
                      "echo $A $B; pwd; id -un; ls -d /vol") == "image run\n/tmp\nuser\n/vol"
    identity = tagged.out("create", "--network", "none", "configured:1")
    found = tagged.inspect(identity)
    assert found["Config"]["Labels"] == {"l": "image"} and found["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert found["Config"]["StopSignal"] == "SIGINT" and found["Mounts"][0]["Destination"] == "/vol"
    tagged.cli("rm", "-v", identity)


def test_pull_and_push(make_daemon, tmp_path):
    registry = registries.Registry(tmp_path / "registry")
    try:
        made = make_daemon("--insecure-registry", registry.host)
        made.cli("tag", IMAGE, f"{registry.host}/a/b:1")
        text = made.out("push", f"{registry.host}/a/b:1")
        digest = re.search("1: digest: (sha256:[0-9a-f]{64}) size: [0-9]+", text).group(1)
        made.cli("rmi", f"{registry.host}/a/b:1")
        made.cli("rmi", IMAGE)
        text = made.out("pull", f"{registry.host}/a/b:1")
        assert f"Digest: {digest}" in text and f"Status: Downloaded newer image for {registry.host}/a/b:1" in text
        assert f"Image is up to date for {registry.host}/a/b:1" in made.out("pull", f"{registry.host}/a/b:1")
        assert made.get(f"/images/{registry.host}/a/b:1/json").json["RepoDigests"] == [f"{registry.host}/a/b@{digest}"]
        assert made.out("run", "--rm", "--network", "none", f"{registry.host}/a/b@{digest}", "echo", "x") == "x"
        found = made.get(f"/distribution/{registry.host}/a/b:1/json").json
        assert found["Descriptor"]["digest"] == digest
        text = made.fails("pull", f"{registry.host}/a/none:1")
        assert "not found" in text or "manifest unknown" in text
        # `run` pulls what is missing.
        made.cli("rmi", "-f", made.out("images", "-q").split()[0])
        assert made.out("run", "--rm", "--network", "none", f"{registry.host}/a/b:1", "echo", "y") == "y"
    finally:
        registry.stop()


def test_loaded_twice_is_one(engine):
    before = len(engine.get("/images/json").json)
    assert engine.out("load", "-i", shared_archive()) == f"Loaded image: {IMAGE}"
    assert len(engine.get("/images/json").json) == before


def test_python_client(tagged):
    image = tagged.client.images.get("busybox")
    assert image.tags == [IMAGE] and image.short_id
    assert image.tag("python", tag="1") and "python:1" in {tag for each in tagged.client.images.list() for tag in each.tags}
    tagged.client.images.remove("python:1")
    data = b"".join(image.save(named=True))
    assert tagged.client.images.load(data)[0].id == image.id
    assert json.dumps(image.history())
