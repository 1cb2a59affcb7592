"""The database's schema, as a list of named changes that is only ever added to.

A database remembers how many it has had. Opening one applies the rest.
"""

__all__ = ["MIGRATIONS"]

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "requests",
        """
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
    ),
    (
        "seeds",
        "CREATE TABLE seeds (id TEXT PRIMARY KEY, definition TEXT NOT NULL)",
    ),
    (
        "generations",
        """
        CREATE TABLE generations (
            item INTEGER PRIMARY KEY,
            request TEXT NOT NULL,            -- key in requests
            demonstrations TEXT NOT NULL,     -- JSON: ids of seeds and tasks, in prompt order
            failure TEXT NOT NULL,
            at REAL NOT NULL
        )
        """,
    ),
    (
        "candidates",
        """
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
    ),
    (
        "instances",
        """
        CREATE TABLE instances (
            task TEXT NOT NULL,
            position INTEGER NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            reason TEXT NOT NULL,             -- empty for a good one
            PRIMARY KEY (task, reason, position)
        )
        """,
    ),
    (
        "details of rejected instances",
        "ALTER TABLE instances ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
    ),
    (
        "results of tasks",
        """
        CREATE TABLE results (
            position INTEGER PRIMARY KEY,     -- of the task, from 0
            task TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            definition TEXT NOT NULL,
            result TEXT NOT NULL,             -- JSON: the record of the stage
            at REAL NOT NULL                  -- Unix time
        )
        """,
    ),
    (
        "scores of predictions",
        """
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
    ),
)
