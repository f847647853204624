"""Our own wheel, made again of what is installed: what a container installs beside a bundle's lock.

Files are those of the installation's record, without what belongs to Jupyter alone. Same installation, same bytes.
"""

import csv
import glob
import os
import zipfile

#: What installers leave of their own.
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
#: The first that the format of zip files knows.
EPOCH = (1980, 1, 1, 0, 0, 0)


def main(folder):
    """Write the wheel into a folder and say its name; say nothing where there is none for a container."""
    path = write(folder)
    if path:
        print(os.path.basename(path))
    return 0


def write(folder):
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = glob.glob(os.path.join(top, "kale_rs-*.dist-info"))
    if not found:
        return None  # a development install
    info = os.path.basename(found[0])
    with open(os.path.join(top, info, "WHEEL"), encoding="utf-8") as file:
        tags = [line.removeprefix("Tag:").strip() for line in file if line.startswith("Tag:")]
    if not tags or "linux" not in tags[0]:
        return None
    with open(os.path.join(top, info, "RECORD"), encoding="utf-8", newline="") as file:
        rows = sorted(row for row in csv.reader(file) if row and belongs(row[0], info))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{info.removesuffix('.dist-info')}-{tags[0]}.whl")
    part = f"{path}.{os.getpid()}.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name, *_ in rows:
            with open(os.path.join(top, name), "rb") as file:
                add(out, name, file.read())
        record = "".join(f"{','.join(row)}\n" for row in [*rows, [f"{info}/RECORD", "", ""]])
        add(out, f"{info}/RECORD", record.encode())
    os.replace(part, path)
    return path


def belongs(name, info):
    parts = name.split("/")
    if parts[0] == info:
        return parts[-1] not in LEFT_OUT
    return parts[0] in ("kale_rs", "kale_runtime") and "__pycache__" not in parts


def add(out, name, content):
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    out.writestr(entry, content)
