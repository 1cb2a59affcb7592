"""The schema of a run's database, as a list of migrations, and what of it is damaged.

A database stores how many migrations were applied to it, and opening it applies the rest. So a
migration is never changed, moved or removed once it was released: new ones are appended.

Example::

    >>> MIGRATIONS[0][0]
    'requests'

What SQLite takes for whole may be damaged nevertheless: it lacks columns or rows that the schema
requires, or has values of another type.

Example::

    for found in damage_in(database.rows):
        print(found)  # results.category has no text in row 3
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

__all__ = ["CANDIDATE_COLUMNS", "INSTANCE_COLUMNS", "MIGRATIONS", "damage_in"]

_STATEMENTS = {
    "requests": """
        CREATE TABLE requests (
            key TEXT PRIMARY KEY,
            purpose TEXT NOT NULL,
            request TEXT NOT NULL,            -- JSON: prompt, sampling, schema, draw
            reply TEXT,                       -- NULL where the request failed
            finish_reason TEXT,
            prompt_tokens INTEGER NOT NULL DEFAULT 0,
            completion_tokens INTEGER NOT NULL DEFAULT 0,
            estimated INTEGER NOT NULL DEFAULT 0,
            failure TEXT,                     -- the reason's name; NULL where there is a reply
            detail TEXT,
            status INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL,
            seconds REAL NOT NULL DEFAULT 0,
            at REAL NOT NULL                  -- Unix time
        )
        """,
    "seeds": "CREATE TABLE seeds (id TEXT PRIMARY KEY, definition TEXT NOT NULL)",
    "generations": """
        CREATE TABLE generations (
            item INTEGER PRIMARY KEY,
            request TEXT NOT NULL,            -- key in requests
            demonstrations TEXT NOT NULL,     -- JSON: ids of seeds and tasks, in prompt order
            failure TEXT NOT NULL,
            at REAL NOT NULL
        )
        """,
    "candidates": """
        CREATE TABLE candidates (
            id TEXT PRIMARY KEY,
            item INTEGER NOT NULL,
            position INTEGER NOT NULL,
            instruction TEXT NOT NULL,
            reason TEXT NOT NULL,             -- empty for a finished task
            detail TEXT NOT NULL,
            neighbor TEXT,
            score REAL,
            is_classification INTEGER NOT NULL,
            classification_request TEXT NOT NULL,
            instances_request TEXT NOT NULL,
            UNIQUE (item, position)
        )
        """,
    "instances": """
        CREATE TABLE instances (
            task TEXT NOT NULL,
            position INTEGER NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            reason TEXT NOT NULL,             -- empty for a good one
            PRIMARY KEY (task, reason, position)
        )
        """,
    "details of rejected instances": (
        "ALTER TABLE instances ADD COLUMN detail TEXT NOT NULL DEFAULT ''"
    ),
    "results of tasks": """
        CREATE TABLE results (
            position INTEGER PRIMARY KEY,     -- of the task, from 0
            task TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            definition TEXT NOT NULL,
            result TEXT NOT NULL,             -- JSON: the record of the stage
            at REAL NOT NULL                  -- Unix time
        )
        """,
    "scores of predictions": """
        CREATE TABLE scores (
            name TEXT NOT NULL,               -- of the system
            tokens TEXT NOT NULL,             -- the tokenizer; empty for rouge-score's own
            grouping TEXT NOT NULL,           -- category or task; empty for all instances
            group_name TEXT NOT NULL,
            metric TEXT NOT NULL,
            value REAL,                       -- 0 to 100
            low REAL,                         -- of the 95% interval; NULL where there is none
            high REAL,
            reason TEXT NOT NULL,             -- why something is NULL
            instances INTEGER NOT NULL,
            tasks INTEGER NOT NULL,
            missing INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            at REAL NOT NULL,                 -- Unix time
            PRIMARY KEY (name, tokens, grouping, group_name, metric)
        )
        """,
    "systems": """
        CREATE TABLE systems (
            name TEXT PRIMARY KEY,
            record TEXT NOT NULL,             -- JSON: settings, fingerprints, address
            at REAL NOT NULL                  -- Unix time
        )
        """,
    "predictions": """
        CREATE TABLE predictions (
            system TEXT NOT NULL,
            place INTEGER NOT NULL,           -- of the instance among all of the run, from 0
            text TEXT NOT NULL,
            failed TEXT NOT NULL,             -- why there is no text; empty where there is one
            cut INTEGER NOT NULL,             -- whether the text reached its length limit
            shortened INTEGER NOT NULL,       -- whether the prompt had to be
            at REAL NOT NULL,                 -- Unix time
            PRIMARY KEY (system, place)
        )
        """,
    # JSON: form, seed, fingerprint of the items
    "review": "CREATE TABLE review (record TEXT NOT NULL)",
    "review items": """
        CREATE TABLE review_items (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            record TEXT NOT NULL              -- JSON: all that is shown, and where it is from
        )
        """,
    "raters": """
        CREATE TABLE raters (
            name TEXT PRIMARY KEY,
            token TEXT NOT NULL UNIQUE        -- what opens the pages of the rater
        )
        """,
    "assignments": """
        CREATE TABLE assignments (
            rater TEXT NOT NULL,
            place INTEGER NOT NULL,           -- among the items of the rater, from 0
            item TEXT NOT NULL,
            shown TEXT NOT NULL,              -- JSON: places of the answers in the order shown
            PRIMARY KEY (rater, place)
        )
        """,
    "labels": """
        CREATE TABLE labels (                 -- rows are only ever added
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,          -- made by the page
            rater TEXT NOT NULL,
            item TEXT NOT NULL,
            action TEXT NOT NULL,             -- label, skip, undo
            answers TEXT NOT NULL,            -- JSON: by question
            note TEXT NOT NULL,
            flagged INTEGER NOT NULL,
            shown TEXT NOT NULL,              -- JSON, as in assignments
            seconds REAL NOT NULL,
            made REAL NOT NULL,               -- Unix time by the clock of the page
            at REAL NOT NULL                  -- Unix time
        )
        """,
    "labels of raters": "CREATE INDEX labels_of_rater ON labels (rater, item)",
    "reply_details": """
        CREATE TABLE reply_details (          -- of the answers that have any
            key TEXT PRIMARY KEY,
            record TEXT NOT NULL              -- JSON: thoughts, left_out, tokens that were lost
        )
        """,
    "thoughts": """
        CREATE TABLE thoughts (               -- taken out of what a checkpoint wrote
            system TEXT NOT NULL,
            place INTEGER NOT NULL,           -- as in predictions
            text TEXT NOT NULL,
            PRIMARY KEY (system, place)
        )
        """,
    # Unix time, of each start of work on the run
    "starts": "CREATE TABLE starts (at REAL NOT NULL)",
    "sent": """
        CREATE TABLE sent (                   -- a single row
            id INTEGER PRIMARY KEY CHECK (id = 1),
            requests INTEGER NOT NULL         -- that were sent, or may have been
        )
        """,
    "request_models": """
        CREATE TABLE request_models (         -- where a run asks several
            key TEXT PRIMARY KEY,             -- in requests
            model TEXT NOT NULL
        )
        """,
    # the id of a label
    "what an undo removes": "ALTER TABLE labels ADD COLUMN undoes TEXT NOT NULL DEFAULT ''",
    # as the owner says it
    "who decided": "ALTER TABLE labels ADD COLUMN person TEXT NOT NULL DEFAULT ''",
    # of what it is from
    "fingerprints of results": (
        "ALTER TABLE results ADD COLUMN fingerprint TEXT NOT NULL DEFAULT ''"
    ),
    "results set aside": """
        CREATE TABLE results_aside (          -- of tasks that changed, or left the list
            task TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            category TEXT NOT NULL,
            definition TEXT NOT NULL,
            result TEXT NOT NULL,
            at REAL NOT NULL,
            PRIMARY KEY (task, fingerprint)
        )
        """,
    # its id
    "instances of predictions": (
        "ALTER TABLE predictions ADD COLUMN instance TEXT NOT NULL DEFAULT ''"
    ),
    "fingerprints of predictions": (
        "ALTER TABLE predictions ADD COLUMN fingerprint TEXT NOT NULL DEFAULT ''"
    ),
    "predictions set aside": """
        CREATE TABLE predictions_aside (      -- of instances that changed, or left the list
            system TEXT NOT NULL,
            instance TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            text TEXT NOT NULL,
            failed TEXT NOT NULL,
            cut INTEGER NOT NULL,
            shortened INTEGER NOT NULL,
            thoughts TEXT,
            at REAL NOT NULL,
            PRIMARY KEY (system, instance, fingerprint)
        )
        """,
    "list of predictions": """
        CREATE TABLE predictions_list (       -- a single row, once a list has changed
            id INTEGER PRIMARY KEY CHECK (id = 1),
            fingerprint TEXT NOT NULL         -- of the list in which places are counted
        )
        """,
    # of its rows, and of the chain before
    "hashes of retired generations": "ALTER TABLE generations ADD COLUMN chain BLOB",
    "batches": """
        CREATE TABLE batches (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,        -- as the server is told
            identity TEXT NOT NULL,           -- of the endpoint, as in the keys of requests
            model TEXT NOT NULL,
            url TEXT NOT NULL,
            path TEXT NOT NULL,
            size INTEGER NOT NULL,            -- of its file in bytes
            requests INTEGER NOT NULL,
            to_file INTEGER NOT NULL,         -- whether another program is to answer it
            file_id TEXT NOT NULL DEFAULT '', -- the server's ids, where they are known
            batch_id TEXT NOT NULL DEFAULT '',
            status TEXT,                      -- the last; NULL until the results are stored
            answered INTEGER,
            at REAL NOT NULL                  -- Unix time
        )
        """,
    "batched requests": """
        CREATE TABLE batched_requests (       -- that have no answer yet
            key TEXT PRIMARY KEY,
            batch INTEGER,                    -- NULL where it ended without an answer
            purpose TEXT NOT NULL,
            request TEXT NOT NULL,            -- JSON, as in requests
            manner TEXT NOT NULL,             -- JSON: how it was sent
            tries INTEGER NOT NULL,           -- batches that ended without an answer
            lost_prompt INTEGER NOT NULL,     -- tokens that those cost
            lost_completion INTEGER NOT NULL
        )
        """,
    "frames": """
        CREATE TABLE frames (                 -- what texts of requests share
            id INTEGER PRIMARY KEY,
            head TEXT NOT NULL,
            tail TEXT NOT NULL
        )
        """,
    # NULL where `request` is the whole text
    "frames of requests": "ALTER TABLE requests ADD COLUMN frame INTEGER",
    "neighbours by meaning": "ALTER TABLE candidates ADD COLUMN meaning TEXT",  # as neighbor
    "cosines": "ALTER TABLE candidates ADD COLUMN cosine REAL",
    # JSON: what was asked
    "cells of generations": "ALTER TABLE generations ADD COLUMN cell TEXT NOT NULL DEFAULT ''",
    # whose answers are asked for again
    "requests passed over": "CREATE TABLE passed_over (key TEXT PRIMARY KEY)",
}
"""Statements of SQL by the names of migrations, in order."""

MIGRATIONS: tuple[tuple[str, str], ...] = tuple(_STATEMENTS.items())
"""All migrations, in order."""

CANDIDATE_COLUMNS = (
    *("id", "item", "position", "instruction", "reason", "detail", "neighbor", "score"),
    *("is_classification", "classification_request", "instances_request", "meaning", "cosine"),
)
INSTANCE_COLUMNS = ("task", "position", "input", "output", "reason", "detail")
"""The columns in their order, in which retired generations are hashed, too."""

_COLUMNS = """
SELECT tables.name, columns.name, columns.type, columns."notnull" OR columns.pk
FROM sqlite_master tables, pragma_table_info(tables.name) columns WHERE tables.type = 'table'
"""
_TYPES = {
    "TEXT": "'text'",
    "INTEGER": "'integer'",
    "REAL": "'real', 'integer'",
    "BLOB": "'blob'",
    "": "''",
}
"""What values of a column are, by its type, as SQLite calls them."""

_MISSING_ROWS = (
    "SELECT 'it lacks ' || gone || ' generations'"
    " FROM (SELECT max(item) + 1 - count(*) AS gone FROM generations) WHERE gone",
    "SELECT 'the task ' || id || ' has no instance' FROM candidates WHERE reason = ''"
    " AND NOT EXISTS (SELECT 1 FROM instances WHERE task = id AND reason = '') LIMIT 1",
)


def damage_in(rows: Callable[[str], Sequence[Any]]) -> Iterator[str]:
    """Yield what is wrong: columns and rows that are missing, values of another type, and more.

    `rows` returns the rows of a query.
    """
    columns = rows(_COLUMNS)
    there = {(table, column) for table, column, *_ in columns}
    with closing(sqlite3.connect(":memory:")) as whole:
        for _, statement in MIGRATIONS[: rows("PRAGMA user_version")[0][0]]:
            whole.execute(statement)
        for table, column, *_ in whole.execute(_COLUMNS):
            if (table, column) not in there:
                yield f"it has no column {table}.{column}"
    for table, column, kind, required in columns:
        name = f'"{column}"'
        wrong = f"typeof({name}) NOT IN ({_TYPES.get(kind, _TYPES[''])})"
        wrong += f" AND {name} IS NOT NULL" if not required else ""
        query = f'SELECT rowid FROM "{table}" WHERE {wrong} LIMIT 1'  # noqa: S608 - our names
        for row in rows(query):
            yield f"{table}.{column} has no {kind.lower()} in row {row[0]}"
    for query in (*_MISSING_ROWS, "PRAGMA quick_check(1)"):
        yield from (row[0] for row in rows(query) if row[0] != "ok")
