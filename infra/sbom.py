"""Writes the bill of materials of the deployed functions: every crate and every npm package in their binaries, as CycloneDX 1.6 in JSON.

    python3 infra/sbom.py daybook.cdx.json

The document comes from `cargo metadata`, Cargo.lock and the page's lock file alone, so the same sources give the same bytes. Packages that only
tests, benchmarks and the local platform use are left out, because they are not deployed; Cargo.lock and
infra/local/requirements name their versions and hashes. This program needs only the standard library.
"""

import base64
import hashlib
import json
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
# The libraries of the page, which the binary of `portal` embeds.
PAGE = ROOT / "functions" / "portal" / "vendor" / "manifest.json"
TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]


def metadata() -> dict:
    """Returns cargo's description of the workspace and its dependencies, for both processors."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += [word for target in TARGETS for word in ("--filter-platform", target)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def linked(known: dict) -> dict[str, list[str]]:
    """Returns the packages in the functions' binaries, each with its dependencies, by package id."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    pending = [package["id"] for package in known["packages"] if is_function(package)]
    found: dict[str, list[str]] = {}
    while pending:
        at = pending.pop()
        if at not in found:
            # A dependency without a kind is linked; dependencies of tests and build scripts have a kind.
            kinds = nodes[at]["deps"]
            found[at] = sorted(each["pkg"] for each in kinds if any(kind["kind"] is None for kind in each["dep_kinds"]))
            pending += found[at]
    return found


def is_function(package: dict) -> bool:
    """Says whether a package is one of the workspace's functions."""
    return Path(package["manifest_path"]).is_relative_to(ROOT / "functions")


def checksums() -> dict[tuple[str, str], str]:
    """Returns the SHA-256 of each package's archive from Cargo.lock, by name and version."""
    found: dict[tuple[str, str], str] = {}
    for block in (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]:
        fields = dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line)
        if "checksum" in fields:
            found[fields["name"].strip('"'), fields["version"].strip('"')] = fields["checksum"].strip('"')
    return found


def component(package: dict, archive: str | None) -> dict:
    """Returns a package in the form of CycloneDX."""
    name, version = package["name"], package["version"]
    made = {
        "type": "application" if is_function(package) else "library",
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "scope": "required",
        "purl": f"pkg:cargo/{name}@{version}",
    }
    if package["license"]:
        # Old packages write a choice of licences with a slash, which SPDX does not know.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if archive:
        made["hashes"] = [{"alg": "SHA-256", "content": archive}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def page_libraries() -> list[dict]:
    """Returns the npm packages that the page uses, in the form of CycloneDX."""
    found = []
    for name, package in sorted(json.loads(PAGE.read_text()).items()):
        algorithm, digest = package["integrity"].split("-", 1)
        found.append({
            "type": "library", "bom-ref": f"{name}@{package['version']}", "name": name, "version": package["version"], "scope": "required",
            "purl": f"pkg:npm/{quote(name, safe='/')}@{package['version']}", "licenses": [{"expression": package["license"]}],
            "hashes": [{"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(digest).hex()}],
        })  # fmt: skip
    return found


def reference(package: dict) -> str:
    """Returns the name of a package within the document."""
    return f"{package['name']}@{package['version']}"


def bill_of_materials() -> dict:
    """Returns the whole document."""
    known = metadata()
    packages = {package["id"]: package for package in known["packages"]}
    graph, archives = linked(known), checksums()
    order = sorted(graph, key=lambda each: (packages[each]["name"], packages[each]["version"]))
    components = [component(packages[each], archives.get((packages[each]["name"], packages[each]["version"]))) for each in order]
    page = page_libraries()
    components += page
    version = next(package["version"] for package in known["packages"] if is_function(package))
    content = hashlib.sha256(json.dumps(components, sort_keys=True).encode()).digest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=content[:16], version=4)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "service", "name": "daybook-service", "version": version}},
        "components": components,
        "dependencies": [
            {"ref": "service", "dependsOn": [reference(packages[each]) for each in order if is_function(packages[each])]},
            *({"ref": reference(packages[each]), "dependsOn": depends_on(packages, graph, each, page)} for each in order),
            *({"ref": each["bom-ref"], "dependsOn": []} for each in page),
        ],
    }


def depends_on(packages: dict, graph: dict[str, list[str]], each: str, page: list[dict]) -> list[str]:
    """Returns the names of what a package needs. The function `portal` embeds the page."""
    needed = [reference(packages[other]) for other in graph[each]]
    return needed + [library["bom-ref"] for library in page] if packages[each]["name"] == "portal" else needed


def main() -> int:
    """Writes the document to the file that the command line names."""
    made = bill_of_materials()
    Path(sys.argv[1]).write_text(json.dumps(made, indent=1) + "\n")
    print(f"{sys.argv[1]}: {len(made['components'])} components", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
