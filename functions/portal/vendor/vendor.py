"""Writes the page's libraries to ../assets/vendor, from the npm packages that package-lock.json names, and lists them in manifest.json.

Modules are bundled into one file each and minified, without the functions that the page does not use. Swagger UI's files are copied.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "assets" / "vendor"
MODULES = HERE / "node_modules"
# The files of each package: a module of this folder to bundle, or a file of the package to copy.
FILES = {
    "@fluent/bundle": {"fluent.js": HERE / "fluent.ts"},
    "oauth4webapi": {"oauth.js": HERE / "oauth.ts", "oauth.js.LICENSE.txt": MODULES / "oauth4webapi" / "LICENSE.md"},
    "swagger-ui-dist": {
        **{name: MODULES / "swagger-ui-dist" / name for name in ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css")},
        # The Apache License 2.0, section 4, wants both with every copy.
        **{f"swagger-ui.{name}.txt": MODULES / "swagger-ui-dist" / name for name in ("LICENSE", "NOTICE")},
    },
}


def main():
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    locked = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    shutil.rmtree(ASSETS, ignore_errors=True)
    ASSETS.mkdir()
    manifest = {}
    for package, files in FILES.items():
        entry = locked[f"node_modules/{package}"]
        for name, source in files.items():
            if source.parent == HERE:
                bundle(source, ASSETS / name, f"/*! {package} {entry['version']} | {entry['license']} */")
                # Types for the compiler. The portal does not serve them.
                (ASSETS / name).with_suffix(".d.ts").write_text(f'export * from "../../vendor/{source.stem}";\n', "utf-8")
            else:
                shutil.copyfile(source, ASSETS / name)
        manifest[package] = {key: entry[key] for key in ("version", "license", "integrity")} | {
            "files": {name: hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() for name in files}
        }
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def bundle(source, target, banner):
    options = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=none", f"--banner:js={banner}"]
    subprocess.run([MODULES / ".bin" / "esbuild", source, *options, f"--outfile={target}", "--log-level=warning"], check=True)


if __name__ == "__main__":
    main()
