"""Generates `src/claude_runner_client/v1` from `clients/proto`, or with `--check` tells whether it is up to date.

The plugins write what belongs below a package `claude.runner.v1`. A client must not put a package of that name into
people's environments, so everything is moved into `claude_runner_client.v1`: imports become relative, and classes know
the module that they are really in, without which they could not be pickled. The names of the contract itself, by which
a descriptor is found, stay as they are.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

here = Path(__file__).resolve().parent.parent
proto_root = here.parent / "proto"
out = here / "src/claude_runner_client/v1"
proto_folder = "claude/runner/v1"
old_package = "claude.runner.v1"
new_package = "claude_runner_client.v1"


def main() -> int:
    """Does it; the result is the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail when something is not up to date")
    check = arguments.parse_args().check
    wanted = generate()
    found = {path.name: path.read_text("utf-8") for path in out.glob("*") if path.is_file()}
    if check:
        differing = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        if differing:
            print(
                "src/claude_runner_client/v1 is not up to date: run scripts/generate.py and commit what changes",
                *differing,
            )
            return 1
        print(f"src/claude_runner_client/v1 is up to date ({len(found)} files)")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for name in found.keys() - wanted.keys():
        (out / name).unlink()
    for name, text in wanted.items():
        (out / name).write_text(text, "utf-8")
    print(f"wrote {len(wanted)} files to src/claude_runner_client/v1")
    return 0


def generate() -> dict[str, str]:
    """The text of every file of the package, by its name."""
    protos = sorted(path.relative_to(proto_root).as_posix() for path in (proto_root / proto_folder).glob("*.proto"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compile_protos(folder, protos, "--descriptor_set_out", folder / "files.binpb")
        files = FileDescriptorSet.FromString((folder / "files.binpb").read_bytes()).file
        compile_protos(folder, protos, "--python_out", folder, "--pyi_out", folder)
        # Only for files with a service: the plugins write an empty module for every other one.
        compile_protos(
            folder,
            [file.name for file in files if file.service],
            "--grpc_python_out",
            folder,
            "--mypy_grpc_out",
            folder,
        )
        texts = {path.name: moved(path.read_text("utf-8")) for path in sorted((folder / proto_folder).iterdir())}
    return {**texts, "__init__.py": init_module(list(files))}


def compile_protos(folder: Path, protos: list[str], *options: str | Path) -> None:
    """Runs protoc; pairs of `options` are an option and where its plugin writes to."""
    pairs = [f"{option}={target}" for option, target in zip(options[::2], options[1::2], strict=True)]
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    well_known = Path(protoc.__file__).parent / "_proto"
    argv = ["protoc", f"--plugin=protoc-gen-mypy_grpc={plugin}", f"-I{proto_root}", f"-I{well_known}"]
    # `quiet`: otherwise the plugin tells every file that it writes.
    argv += [pair.replace("--mypy_grpc_out=", "--mypy_grpc_out=quiet:") for pair in pairs]
    if protoc.main([*argv, *protos]) != 0:
        raise SystemExit(f"protoc failed for {folder}")


def moved(text: str) -> str:
    """A generated module as one of `claude_runner_client.v1`."""
    text = re.sub(rf"^from {re.escape(old_package)} import ", "from . import ", text, flags=re.MULTILINE)
    text = re.sub(rf"'{re.escape(old_package)}\.(\w+_pb2)'", rf"'{new_package}.\1'", text)
    left = re.search(r"^\s*(?:from|import) (?:claude|buf)\b.*", text, flags=re.MULTILINE)
    if left:
        raise SystemExit(f"an import would need a top-level package of its own: {left[0]}")
    return text


def init_module(files: list[FileDescriptorProto]) -> str:
    """`claude_runner_client.v1` itself: every message, enum and service of the contract under its own name."""
    imports: list[str] = []
    names: list[str] = []
    for file in files:
        stem = Path(file.name).stem
        messages, enums = (each.name for each in file.message_type), (each.name for each in file.enum_type)
        found = {f"{stem}_pb2": sorted([*messages, *enums])}
        if file.service:
            found[f"{stem}_pb2_grpc"] = sorted(
                name
                for each in file.service
                for name in (f"{each.name}Servicer", f"{each.name}Stub", f"add_{each.name}Servicer_to_server")
            )
        for module, module_names in found.items():
            imports.append(f"from .{module} import (\n" + "".join(f"    {name},\n" for name in module_names) + ")\n")
            names += module_names
    listed = "".join(f'    "{name}",\n' for name in sorted(names))
    return (
        "# Generated by scripts/generate.py. DO NOT EDIT!\n"
        '"""The contract of claude-runner, `claude.runner.v1`: every message, enum and service."""\n\n'
        f"{''.join(imports)}\n__all__ = [\n{listed}]\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
