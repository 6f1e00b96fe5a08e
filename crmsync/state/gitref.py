"""
The state as a ref of a git repository's own remote: a team that has a repository has a shared state.

Each entry is a commit on the one before it, with the entry as its only file; a compaction is a commit without parents, so
that the remote may forget what came before. A push names the value that the ref must still have: whether it had is for the
remote to say, and its answer is the fence. Beside the ref ``REF`` there are ``REF-lease`` and ``REF-copies``.

What is fetched is remembered in this repository under ``refs/crmsync-seen/``, so that the next fetch costs what is new.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock

from crmsync.model.store import Lost, Unusable
from crmsync.state.codec import DAMAGED
from crmsync.state.gitcommand import Git, message
from crmsync.state.gitcopies import Copies
from crmsync.state.medium import Unclear
from crmsync.state.redact import without_password

HEAD, ENTRY = "head", "entry"
_TRIES = 5
_LOCK_SECONDS = 0.2
_FETCH = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=")
_PUSH = ("--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no")
_BUSY_COPIES = "Its copies change all the time. Run again."
#: Where people look for branches and tags.
_TAKEN = ("refs/heads/", "refs/tags/", "refs/remotes/")


class GitRef:
    """The medium of `crmsync.state.medium` in the ref *ref* of *remote*, reached from the repository around *root*."""

    def __init__(self, root: Path, remote: str, ref: str) -> None:
        self.place = f"{ref} of {without_password(remote)}"
        self._root = root
        self._git = Git(root)
        self._remote = remote
        self._ref = ref
        self._refs = {"log": ref, "lease": f"{ref}-lease", "copies": f"{ref}-copies"}
        self._seen = f"refs/crmsync-seen/{hashlib.blake2b(f'{remote} {ref}'.encode(), digest_size=6).hexdigest()}"
        # The commits of the last entry that we know of, and of the snapshot or head that it stands on.
        self._tip: str | None = None
        self._tip_position = 0
        self._root_commit = ""
        self._is_checked = False
        self._copies = Copies(self._git, lambda: self._fetched("copies"))
        self._copying = RLock()  # copies of deletes are kept while an append is under way

    # The log.

    def head(self) -> bytes | None:
        """Return the head of the log, None where there is no log."""
        self._check()
        tip = self._fetched("log")
        if tip is None:
            return None
        root = self._git.text("rev-list", "--first-parent", "--max-parents=0", tip)
        return self._blobs([f"{root}:{HEAD}"])[0]

    def create_head(self, content: bytes) -> None:
        """Begin a log, unless somebody else has."""
        self._check()
        commit = self._commit({HEAD: content}, None, "crmsync: a new state")
        try:
            self._push("log", commit, None)
        except Unclear as unclear:
            if self.head() is None:
                raise Unusable(str(unclear)) from unclear

    def load(self, after: int) -> Sequence[tuple[int, bytes]]:
        """Return the entries after position *after* in order, and the last snapshot where it is among them."""
        tip = self._tip = self._fetched("log")
        if tip is None:
            raise Unusable(f"The remote has no {self._ref} any more. See docs/state.md, When the state is lost.")
        lines = self._git.text("rev-list", "--first-parent", "--reverse", "--format=%s", tip).splitlines()
        commits = [line.split()[1] for line in lines[::2]]
        positions = [_position(subject) for subject in lines[1::2]]
        self._root_commit, self._tip_position = commits[0], positions[-1] or 0
        wanted = [(at, commit) for at, commit in zip(positions, commits, strict=True) if at is not None and at > after]
        blobs = self._blobs([f"{commit}:{ENTRY}" for _, commit in wanted])
        return [(at, blob) for (at, _), blob in zip(wanted, blobs, strict=True)]

    def entry(self, position: int) -> bytes | None:
        """Return the entry at *position*, as the remote has it now."""
        return dict(self.load(position - 1)).get(position)

    def create(self, position: int, content: bytes, copies: Mapping[str, bytes]) -> None:
        """Push the entry at *position* on the last one that we know of, in one with its copies. Raises Lost, Unclear."""
        tip = self._known_tip(position)
        commit = self._commit({ENTRY: content}, tip, f"crmsync {position}")
        if not (self._push_with(copies, commit, tip) if copies else self._push("log", commit, tip)):
            raise Lost
        self._tip, self._tip_position = commit, position

    def create_snapshot(self, position: int, content: bytes) -> None:
        """Push the entry at *position* as a commit without parents. Raises Lost, Unclear."""
        tip = self._known_tip(position)
        head = self._blobs([f"{self._root_commit}:{HEAD}"])[0]
        commit = self._commit({HEAD: head, ENTRY: content}, None, f"crmsync {position}")
        if not self._push("log", commit, tip):
            raise Lost
        self._tip, self._tip_position, self._root_commit = commit, position, commit

    def _known_tip(self, position: int) -> str:
        """Return the commit on which the entry at *position* must stand. Raises Lost where that is not known."""
        if self._tip is None or self._tip_position != position - 1:
            raise Lost
        return self._tip

    def _push_with(self, copies: Mapping[str, bytes], commit: str, tip: str) -> bool:
        """Push *commit* on *tip* and a commit with *copies*, both or none; False when the log has moved. Raises Unclear."""
        for _ in range(_TRIES):
            with self._copying:
                before, after = self._copies.grown(copies)
                try:
                    stale = self._push_all({"log": (commit, tip), "copies": (after, before)}, "--atomic")
                except Unclear as unclear:
                    self._copies.forget()
                    if "not support --atomic" not in str(unclear):
                        raise
                    self.keep(copies)
                    return self._push("log", commit, tip)
                if not stale:
                    self._copies.take(after)
                    return True
                self._copies.forget()  # somebody else keeps copies as well
            if "log" in stale:
                return False
        raise Unusable(_BUSY_COPIES)

    # The lease.

    def lease(self) -> tuple[bytes, str | None]:
        """Return what the lease says, and the commit that says it."""
        commit = self._fetched("lease")
        return (b"", None) if commit is None else (self._blobs([f"{commit}:{ENTRY}"])[0], commit)

    def swap_lease(self, token: str | None, content: bytes) -> bool:
        """Push another lease over the one that *token* names."""
        commit = self._commit({ENTRY: content}, None, "crmsync: lease")
        return commit == token or self._push("lease", commit, token)

    # Copies.

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies by name, each created once; the same content again is no harm."""
        self._change_copies(lambda: self._copies.grown(copies))

    def kept(self) -> Mapping[str, int]:
        """Return names and sizes of the copies."""
        return {name: size for name, (_, size) in self._copies.listed(self._fetched("copies")).items()}

    def copy(self, name: str) -> bytes | None:
        """Return one copy."""
        found = self._copies.listed(self._fetched("copies")).get(name)
        return None if found is None else self._blobs([found[0]])[0]

    def drop(self, names: Iterable[str]) -> None:
        """Remove copies."""
        gone = frozenset(names)
        self._change_copies(lambda: self._copies.shrunk(gone))

    def _change_copies(self, change: Callable[[], tuple[str | None, str]]) -> None:
        for _ in range(_TRIES):
            with self._copying:
                before, after = change()
                if before == after:
                    return
                with suppress(Unclear):
                    if self._push("copies", after, before):
                        self._copies.take(after)
                        return
                self._copies.forget()
        raise Unusable(_BUSY_COPIES)

    # The whole.

    def destroy(self) -> None:
        """Delete the three refs."""
        for part, ref in self._refs.items():
            self._git.attempt("push", "--quiet", "--no-verify", self._remote, f":{ref}")
            self._git.attempt("update-ref", "-d", f"{self._seen}/{part}")

    def close(self) -> None:
        """Remove what lies in a folder of this machine."""
        self._copies.forget()

    # What git is asked.

    def _check(self) -> None:
        """Raise unless this can be a place for a state."""
        if self._is_checked:
            return
        if self._git.attempt("rev-parse", "--git-dir").returncode != 0:
            raise Unusable(f"There is no git repository around {self._root}, whose remote would keep it. Run: git init")
        if self._git.attempt("check-ref-format", self._ref).returncode != 0 or not self._ref.startswith("refs/"):
            raise Unusable(f"{self._ref} is no name for a ref. Write state: git:refs/crmsync/main")
        if self._ref.startswith(_TAKEN):
            raise Unusable(f"{self._ref} would show among branches or tags. Write state: git:refs/crmsync/main")
        self._is_checked = True

    def _fetched(self, part: str) -> str | None:
        """Return the commit that the remote's ref names now, once its objects are here; None where it has none."""
        seen = f"{self._seen}/{part}"
        for _ in range(_TRIES):
            ended = self._git.attempt("fetch", *_FETCH, self._remote, f"+{self._refs[part]}:{seen}")
            if ended.returncode == 0:
                return self._git.text("rev-parse", "--verify", f"{seen}^{{commit}}")
            if b"couldn't find remote ref" in ended.stderr:
                self._git.attempt("update-ref", "-d", seen)
                return None
            if b"lock" not in ended.stderr:  # another process of ours fetches the same
                break
            time.sleep(_LOCK_SECONDS)
        raise Unusable(f"git fetch says: {message(ended.stderr)} Check the remote and who may read it.")

    def _push(self, part: str, commit: str, before: str | None) -> bool:
        """
        Make the remote's ref name *commit* instead of *before*; False when it named something else. Raises Unclear.

        The remote compares and swaps; what git says beside "stale info" may hide a success, and is for reading back.
        """
        return not self._push_all({part: (commit, before)})

    def _push_all(self, changes: Mapping[str, tuple[str, str | None]], *options: str) -> set[str]:
        """Push several refs, each on what it must name before; return those that named something else. Raises Unclear."""
        refs = {self._refs[part]: part for part in changes}
        expected = [f"--force-with-lease={self._refs[part]}:{before or ''}" for part, (_, before) in changes.items()]
        wanted = [f"{commit}:{self._refs[part]}" for part, (commit, _) in changes.items()]
        ended = self._git.attempt("push", *_PUSH, *options, *expected, self._remote, *wanted)
        if ended.returncode == 0:
            return set()
        answers = [line for line in ended.stdout.decode("utf-8", "replace").splitlines() if line.startswith("!")]
        stale = {refs.get(line.split("\t")[1].partition(":")[2], "") for line in answers if "(stale info)" in line}
        if stale:
            return stale
        told = " ".join(line.split("\t")[-1] for line in answers)
        raise Unclear(f"git push says: {told or message(ended.stderr)} Check the remote and who may write to it.")

    def _commit(self, files: Mapping[str, bytes], parent: str | None, subject: str) -> str:
        blobs = {name: self._git.text("hash-object", "-w", "--stdin", given=content) for name, content in files.items()}
        lines = "".join(f"100644 blob {blob}\t{name}\n" for name, blob in blobs.items())
        tree = self._git.text("mktree", given=lines.encode())
        parents = () if parent is None else ("-p", parent)
        return self._git.text("commit-tree", *parents, "-m", subject, tree)

    def _blobs(self, names: Sequence[str]) -> list[bytes]:
        """Return the contents of objects. Raises Unusable."""
        given = "".join(f"{name}\n" for name in names).encode()
        out = self._git.run("cat-file", "--batch", given=given).stdout if names else b""
        contents, at = [], 0
        for _ in names:
            line = out[at : out.index(b"\n", at)]
            about = line.split()
            if len(about) != 3 or about[1] != b"blob":
                raise Unusable(f"It is no state of crmsync, or a part is missing. {DAMAGED}")
            start = at + len(line) + 1
            contents.append(out[start : start + int(about[2])])
            at = start + int(about[2]) + 1
        return contents


def _position(subject: str) -> int | None:
    """Return the position that a commit's subject tells."""
    number = subject.removeprefix("crmsync ")
    return int(number) if number.isdecimal() else None
