"""What users of the service are told: neither commands of the machine nor its paths, whatever goes wrong."""

from __future__ import annotations

import ast
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e3d.errors import CancelledError, InputError, MachineError
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import JobRecord, NewJob
from e2e3d.service.public_errors import WORDS, public_error, without_places
from e2e3d.service.runner.journal import Journal, JournalHandler
from e2e3d.service.runner.runner import Runner
from e2e3d.storage.failures import reachable, write_error
from tests.command import ROOT, wait_for
from tests.service.api import Api, open_api
from tests.service.runner.test_driver import Running, running
from tests.service.uploads.conftest import new_desk, picture

__all__ = ["running"]

KINDS = {"E2E3DError", "SettingsError", "InputError", "ReconstructionError", "ProblemError", "BodyError"}
OF_THE_MACHINE = {"MachineError", "CancelledError"}
COMMAND_ONLY = re.compile(
    r"e2e3d/(cli|api|inspection/\w+|batch/\w+|config/(deployment/\w+|run_options)|client/.*|serve/(serve_command|node)|ops/evaluation/\w+"
    r"|service/(backup|diagnosis)/\w+|service/verification/command|outputs/(datasets/\w+|evaluation/\w+|sample_set|manifest)|ops/formats/conversions"
    r"|stages/(known_depth|plugin_stage)"
    r"|pipeline/(workspace|plugins|sources/(leave_out|read_poses))|storage/bucket_setup|runtime/(collected_logs|supervision|missing_parts))\.py"
)
"""Modules whose errors end at a terminal: of the command line, and of whoever starts the service."""
COMMAND_CODES = {
    "store-unknown",  # these three stop the service before it answers anybody
    "database-url",
    "tracing-missing",
    "no-masks",  # of a folder that only the command line can give
}
TERMINAL_FUNCTIONS = {"parse_assignments"}
SPOKEN = re.compile(
    r"E2E3D_|--\w|same command|\be2e3d \w|\bpip\b|\bRun (?!the job)|(?<![\w}>])/(?!v1/)\w|\bE2E3D_STORE|this machine"
)
"""Words for whoever sits at the machine: variables, options, commands, absolute paths."""
PLACES = {"path", "folder", "out", "url", "place", "root", "store", "home", "directory", "address"}


@dataclass(frozen=True)
class Raised:
    """Where an error is made: its kind, code, and every text that may be part of it."""

    where: str
    kind: str
    code: str
    texts: tuple[str, ...]
    names: frozenset[str]


def errors_of(file: Path) -> Iterator[Raised]:
    name = file.relative_to(ROOT).as_posix()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assigned: dict[str, list[ast.expr]] = {}
    inside: dict[ast.AST, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
        if isinstance(node, ast.FunctionDef):
            inside.update(dict.fromkeys(ast.walk(node), node.name))
    for node in ast.walk(tree):
        kind = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if kind not in KINDS | OF_THE_MACHINE or inside.get(node) in TERMINAL_FUNCTIONS:
            continue
        arguments = node.args[1:] if kind in ("ProblemError", "BodyError") else node.args
        if not arguments or not isinstance(arguments[0], ast.Constant):
            continue
        shown = list(arguments[1:])
        for argument in arguments[1:]:
            shown += assigned.get(getattr(argument, "id", ""), [])
        parts = [part for one in shown for part in ast.walk(one)]
        texts = tuple(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
        values = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
        names = frozenset(getattr(value, "id", getattr(value, "attr", "")) for value in values)
        yield Raised(f"{name}:{node.lineno}", kind, str(arguments[0].value), texts, names)


def reaching_the_api() -> list[Raised]:
    files = sorted((ROOT / "e2e3d").rglob("*.py"))
    wanted = [path for path in files if not COMMAND_ONLY.fullmatch(path.relative_to(ROOT).as_posix())]
    return [error for path in wanted for error in errors_of(path) if error.code not in COMMAND_CODES]


def test_no_text_that_reaches_the_api_speaks_to_the_terminal_or_names_a_path() -> None:
    found = [error for error in reaching_the_api() if error.kind in KINDS]
    assert len(found) > 120
    for error in found:
        # A source may be a path, where the command line read it; that of a service is called "The set".
        assert not [text for text in error.texts if SPOKEN.search(text)], error
        assert not error.names & PLACES or error.where.startswith("e2e3d/service/results/routes.py"), error


def test_every_error_of_the_machine_has_words_for_users() -> None:
    machine = [error for error in reaching_the_api() if error.kind in OF_THE_MACHINE]
    assert len(machine) > 20
    assert {error.code for error in machine} <= set(WORDS)
    for code, words in WORDS.items():
        for text in words:
            assert text, code
            assert not SPOKEN.search(text), (code, text)


def test_the_check_finds_what_it_looks_for() -> None:
    for text in (
        "Run the same command again.",
        "Use --device cpu.",
        "Set E2E3D_STORE.",
        "/srv/x is full",
        "pip install x",
    ):
        assert SPOKEN.search(text), text


ERRORS = [
    write_error(Path("/srv/e2e3d/store/blob/x"), OSError(28, "No space left on device")),
    write_error(Path("/srv/e2e3d/store/blob/x"), PermissionError(13, "Permission denied")),
    write_error(Path("/srv/e2e3d/store/blob/x"), OSError(5, "Input/output error")),
    MachineError("some-new-code", "/srv/e2e3d is broken.", "Run the same command again."),
    CancelledError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_errors_of_the_machine_are_told_in_other_words(error: MachineError) -> None:
    told = public_error(error)
    assert (type(told), told.code) == (type(error), error.code)
    assert told.hint
    assert not SPOKEN.search(str(told))


def test_a_store_that_is_away_is_not_named() -> None:
    with pytest.raises(MachineError) as caught, reachable("s3://secret-bucket/prod"):
        raise ConnectionError("http://10.0.0.7:9000 refused")
    assert "secret-bucket" in str(caught.value)
    told = str(public_error(caught.value))
    assert "secret-bucket" not in told
    assert "10.0.0.7" not in told


def test_errors_of_photographs_stay_as_they_are() -> None:
    error = InputError("too-few-photographs", "2 of 3 photographs can be used.", "Take more.")
    assert public_error(error) is error


def test_places_are_taken_out_of_any_text() -> None:
    text = "cannot open '/srv/e2e3d/work/j-1/intrinsics.txt', see s3://models/prod/blob/aa."
    shown = without_places(text, ("/srv/e2e3d", "", "s3://models/prod"))
    assert shown == "cannot open '(storage of the service)', see (storage of the service)"
    assert without_places("a/b c", ()) == "a/b c"


def test_the_answer_to_a_request_names_no_path(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path) as api:
        (tmp_path / "store").write_text("a file where the folder should be")
        desk = new_desk(api)
        answer = desk.send(("a.jpg", picture(1)))
        assert (answer.status_code, answer.json()["code"]) == (503, "read-failed")
        assert str(tmp_path) not in answer.text
        assert answer.json()["detail"] == WORDS["read-failed"][0]
        problem = locked_database(api, desk.headers)
        assert str(tmp_path) not in problem["detail"]


def locked_database(api: Api, headers: dict[str, str]) -> dict[str, str]:
    from sqlalchemy import event

    engine = api.services.database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    answer = api.client.post("/v1/image-sets", json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-read-only")
    return dict(answer.json())


def test_a_job_that_fails_and_its_log_name_no_path(running: Running) -> None:
    """The real driver, whose store is broken in the middle: error, event and log speak to the user of the service."""
    places = (str(running.settings.home), running.settings.store_url)
    journal = Journal(running.place.database, running.fence, lambda: None, places=places)
    logger = logging.getLogger("e2e3d.test-of-words")
    logger.propagate = False
    logger.setLevel("INFO")
    logger.addHandler(JournalHandler(journal))
    error = write_error(Path(running.settings.store_url, "blob/x"), OSError(28, "No space left on device"))
    logger.warning("The job goes on in %.0f s: %s", 5.0, error)
    logger.warning("the results of %s could not be published yet: %s", "mesh", OSError(2, "gone", places[1]))
    logger.warning("the store %s is a folder", places[1])
    journal.close()
    with running.place.database.reading() as session:
        lines = [line.message for line in jobs.log_lines(session, running.fence.job_id, 10)]
    assert lines[0] == f"The job goes on in 5 s: {' '.join(WORDS['disk-full'])}"
    assert lines[1] == "the results of mesh could not be published yet: FileNotFoundError"
    assert lines[2] == "the store (storage of the service) is a folder"
    told = journal.public(InputError("intrinsics-form", f"{places[0]}/work/a/intrinsics.txt holds no matrix.", "x"))
    assert places[0] not in told.message


def test_a_job_whose_process_cannot_be_started_names_no_path(running: Running) -> None:
    """The folder of working files is a file, so the real runner can start no process."""
    place, settings = running.place, running.settings
    (settings.home / "work").write_text("a file where the folder should be")
    with place.database.session() as session:
        job_id = jobs.create(session, NewJob(place.user_id, None, "preview"), [("a.jpg", running.hashes[0])], now()).id
    runner = Runner(settings, place.database, None)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        wait_for(lambda: job_of(running, job_id).interruptions > 0)
    finally:
        runner.stop()
        thread.join()
    assert job_of(running, job_id).attempt == 0
    with place.database.reading() as session:
        lines = {line.message for line in jobs.log_lines(session, job_id, 10)}
    assert "The job's process could not be started: Not a directory." in lines
    assert not [text for text in lines if SPOKEN.search(text)]


def job_of(running: Running, job_id: str) -> JobRecord:
    with running.place.database.reading() as session:
        job = jobs.by_id(session, job_id)
    assert job is not None
    return job
