"""Opens files with LibreOffice in a language, and saves their cells as workbooks."""

import shutil
import subprocess
from pathlib import Path

SOFFICE = shutil.which("soffice")
MISSING = "LibreOffice is not installed (Debian: libreoffice-calc-nogui)"
# The numbers that LibreOffice has for languages.
LANGUAGES = {"en-US": 1033, "fr-FR": 1036}


def as_csv(separators, language):
    """Returns the option that opens CSV as a person does: UTF-8, values recognised, and formulas evaluated, which is the worst case."""
    codes = "/".join(str(ord(separator)) for separator in separators)
    return f"--infilter=Text - txt - csv (StarCalc):{codes},34,76,1,,{LANGUAGES[language]},false,true,false,false,false,0,true"


def convert(files, out, language, *options):
    """Converts files to workbooks in the folder `out`, and returns their paths."""
    profile = out.parent / f"profile-{language}"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
        '<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse">'
        f"<value>{language}</value></prop></item></oor:items>"
    )
    command = [SOFFICE, f"-env:UserInstallation=file://{profile}", "--headless", *options, "--convert-to", "xlsx", "--outdir", str(out)]
    subprocess.run([*command, *map(str, files)], check=True, timeout=1_800, capture_output=True)
    return [out / Path(file).with_suffix(".xlsx").name for file in files]
