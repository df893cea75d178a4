# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""install-packages: nothing to do is nothing done, and it says what it cannot do."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from mta import PROJECT

TOOL = str(PROJECT / "Tests" / "Tools" / "install-packages")


def run(
    *words: str, nobody: bool = False, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    setpriv = shutil.which("setpriv") or "setpriv"
    user = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"] if nobody else []
    environment = {**os.environ, **({"PATH": path} if path else {})}
    return subprocess.run(
        [*user, TOOL, *words], capture_output=True, text=True, env=environment, timeout=120
    )


class InstallPackages(unittest.TestCase):
    def test_does_nothing_quickly_when_all_is_there(self) -> None:
        began = time.monotonic()
        result = run("build", "tests")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertLess(time.monotonic() - began, 5)

    def test_refuses_an_unknown_group(self) -> None:
        result = run("exim")
        self.assertEqual(result.returncode, 64)
        self.assertIn("usage:", result.stderr)

    def test_names_what_is_missing_when_it_cannot_install(self) -> None:
        if subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", TOOL]
        ).returncode:
            self.skipTest("other users cannot see the project here")
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            query = Path(folder, "dpkg-query")
            query.write_text("#!/bin/sh\nexit 1\n")
            query.chmod(0o755)
            for name in ("bash", "id", "tr", "dirname", "apt-get", "grep", "env"):
                os.symlink(f"/usr/bin/{name}", Path(folder, name))
            bare = run("build", nobody=True, path=folder)
        if "no sudo" not in bare.stderr:
            self.skipTest("sudo is found outside the search path")
        self.assertEqual(bare.returncode, 1)
        self.assertIn("libmilter-dev", bare.stderr)
        self.assertIn("apt-get install", bare.stderr)


if __name__ == "__main__":
    unittest.main()
