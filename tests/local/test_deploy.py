import io
import json
import zipfile
from pathlib import Path

import pytest

from local.deploy import Deployed, DeployError, filled_in, read_assembly, zipped


def write_assembly(folder: Path, *, stacks: int = 1) -> None:
    artifacts = {
        f"Onramp-{n}": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": f"Onramp-{n}.template.json"},
        }
        for n in range(stacks)
    }
    (folder / "manifest.json").write_text(
        json.dumps({"artifacts": artifacts | {"Tree": {"type": "cdk:tree"}}})
    )
    (folder / "Onramp-0.template.json").write_text('{"Resources": {}}')
    destination = {"bucketName": "assets-${AWS::AccountId}-${AWS::Region}", "objectKey": "key"}
    files = {
        "h1": {"source": {"path": "asset.h1", "packaging": "zip"}, "destinations": {"d": destination}},
        "h2": {
            "source": {"path": "Onramp-0.template.json", "packaging": "file"},
            "destinations": {"d": destination | {"objectKey": "template"}},
        },
    }
    (folder / "Onramp-0.assets.json").write_text(json.dumps({"files": files}))


def test_an_assembly_is_read_with_its_destinations(tmp_path: Path) -> None:
    write_assembly(tmp_path)
    assembly = read_assembly(tmp_path, account="1", region="r")
    assert assembly.stack_name == "Onramp-0"
    assert assembly.template == {"Resources": {}}
    assert assembly.template_asset.key == "template"
    [asset] = assembly.assets
    assert (asset.bucket, asset.key, asset.archive) == ("assets-1-r", "key", True)
    assert asset.source == tmp_path / "asset.h1"


def test_two_stacks_in_one_assembly_are_refused(tmp_path: Path) -> None:
    write_assembly(tmp_path, stacks=2)
    with pytest.raises(DeployError, match="2 stacks"):
        read_assembly(tmp_path, region="r")


def test_known_names_are_filled_in_and_others_stay() -> None:
    assert filled_in("${A}-${B}-${C}", {"A": "1", "B": "2"}) == "1-2-${C}"


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "__init__.py").write_text("x = 1\n")
    (folder / "handler.py").write_text("")
    first = zipped(folder)
    (folder / "handler.py").touch()
    assert zipped(folder) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["handler.py", "package/__init__.py"]
        assert archive.read("package/__init__.py") == b"x = 1\n"


def test_the_only_resource_of_a_type_has_to_be_the_only_one() -> None:
    resources = {"T": {"A": "a"}, "U": {"A": "a", "B": "b"}}
    deployed = Deployed(stack_name="S", outputs={}, resources=resources, functions={})
    assert deployed.only("T") == "a"
    for kind in ("U", "V"):
        with pytest.raises(DeployError, match=kind):
            deployed.only(kind)


def test_a_function_is_called_by_its_alias_where_it_has_one() -> None:
    aliases = {"AWS::Lambda::Alias": {"FLive": "arn:aws:lambda:r:1:function:S-F:live"}}
    deployed = Deployed(
        stack_name="S", outputs={}, resources=aliases, functions={"with_alias": "S-F", "without": "S-G"}
    )
    assert deployed.called("with_alias") == "arn:aws:lambda:r:1:function:S-F:live"
    assert deployed.called("without") == "S-G"
