"""The other side of The Update Framework: the reference implementation, as a client and as a publisher.

    peer.py accept REPOSITORY ROOT KEPT TARGET…   takes what the repository offers, as JSON {target: sha256} on stdout
    peer.py make FOLDER                           makes two states of one repository, FOLDER/first and FOLDER/second
"""

import copy
import hashlib
import json
import os
import shutil
import sys
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import FetcherInterface, Updater


class Files(FetcherInterface):
    """A repository in a folder: what a web server would say of it."""

    def _fetch(self, url):
        path = url.removeprefix("file://")
        if not os.path.isfile(path):
            raise DownloadHTTPError(f"no {path}", 404)
        with open(path, "rb") as file:
            yield file.read()


def accept(repository, root, kept, *targets):
    os.makedirs(os.path.join(kept, "targets"), exist_ok=True)
    with open(root, "rb") as file:
        trusted = file.read()
    updater = Updater(
        metadata_dir=os.path.join(kept, "metadata"),
        metadata_base_url=f"file://{repository}/metadata/",
        target_dir=os.path.join(kept, "targets"),
        target_base_url=f"file://{repository}/targets/",
        fetcher=Files(),
        bootstrap=trusted,
    )
    updater.refresh()
    found = {}
    for target in targets:
        listed = updater.get_targetinfo(target)
        if listed is None:
            found[target] = None
            continue
        with open(updater.download_target(listed), "rb") as file:
            found[target] = hashlib.sha256(file.read()).hexdigest()
    print(json.dumps(found))


def in_days(days):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)


class Publisher:
    def __init__(self):
        new = CryptoSigner.generate_ed25519
        self.root_keys = [new(), new()]
        # One of each kind of key that the specification names.
        self.targets_key = CryptoSigner.generate_ecdsa()
        self.snapshot_key = CryptoSigner.generate_rsa()
        self.timestamp_key = new()
        self.acme_keys = [new(), new()]
        self.roots = []
        root = Root(expires=in_days(365), consistent_snapshot=True)
        for key in self.root_keys:
            root.add_key(key.public_key, "root")
        root.roles["root"].threshold = 2
        root.add_key(self.targets_key.public_key, "targets")
        root.add_key(self.snapshot_key.public_key, "snapshot")
        root.add_key(self.timestamp_key.public_key, "timestamp")
        self.sign_root(root, self.root_keys)

        self.targets = Targets(expires=in_days(365))
        acme = DelegatedRole("acme", [], 2, True, paths=["acme/*"])
        self.targets.delegations = Delegations({}, {"acme": acme})
        for key in self.acme_keys:
            self.targets.add_key(key.public_key, "acme")
        self.acme = Targets(expires=in_days(30))
        self.snapshot = Snapshot(expires=in_days(7))
        self.timestamp = Timestamp(expires=in_days(1))
        self.files = {}

    def sign_root(self, root, keys):
        signed = Metadata(root)
        for key in keys:
            signed.sign(key, append=True)
        self.roots.append((root.version, signed.to_bytes()))
        self.root = root

    def rotate_timestamp(self):
        root = copy.deepcopy(self.root)
        root.revoke_key(self.timestamp_key.public_key.keyid, "timestamp")
        self.timestamp_key = CryptoSigner.generate_ed25519()
        root.add_key(self.timestamp_key.public_key, "timestamp")
        root.version += 1
        self.sign_root(root, self.root_keys)

    def publish(self, name, release, component):
        manifest = {
            "format": 1,
            "name": name,
            "release": release,
            "digest": "sha256:" + hashlib.sha256(component).hexdigest(),
            "contract": "0.2.0",
        }
        for target, content in [(f"{name}.wasm", component), (f"{name}.json", json.dumps(manifest).encode())]:
            self.acme.targets[target] = TargetFile.from_data(target, content, ["sha256"])
            self.files[(target, hashlib.sha256(content).hexdigest())] = content

    def write(self, folder):
        metadata = os.path.join(folder, "metadata")
        os.makedirs(metadata, exist_ok=True)

        def put(name, content):
            with open(os.path.join(metadata, name), "wb") as file:
                file.write(content)

        def signed(role, *keys):
            whole = Metadata(role)
            for key in keys:
                whole.sign(key, append=True)
            return whole.to_bytes()

        for version, content in self.roots:
            put(f"{version}.root.json", content)
        put(f"{self.targets.version}.targets.json", signed(self.targets, self.targets_key))
        put(f"{self.acme.version}.acme.json", signed(self.acme, *self.acme_keys))
        self.snapshot.meta = {
            "targets.json": MetaFile(self.targets.version),
            "acme.json": MetaFile(self.acme.version),
        }
        put(f"{self.snapshot.version}.snapshot.json", signed(self.snapshot, self.snapshot_key))
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
        put("timestamp.json", signed(self.timestamp, self.timestamp_key))
        for (target, digest), content in self.files.items():
            directory, _, base = target.rpartition("/")
            where = os.path.join(folder, "targets", directory)
            os.makedirs(where, exist_ok=True)
            with open(os.path.join(where, f"{digest}.{base}"), "wb") as file:
                file.write(content)


def make(folder):
    publisher = Publisher()
    publisher.publish("acme/support", 1, b"first component")
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    publisher.write(first)
    shutil.copytree(first, second)
    publisher.rotate_timestamp()
    publisher.publish("acme/support", 2, b"second component")
    publisher.publish("acme/other", 1, b"other component")
    for role in (publisher.acme, publisher.snapshot, publisher.timestamp):
        role.version += 1
    publisher.write(second)


if __name__ == "__main__":
    {"accept": accept, "make": make}[sys.argv[1]](*sys.argv[2:])
