"""Connection strings: whatever libpq takes is taken, what is pasted daily and wrong is named, and no secret is shown."""

import pytest

from archiver.errors import ConfigError
from archiver.neighbours.postgres.connection import ConnectionString


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("postgresql://u:s3cret@db.example:5432/app", "postgresql://db.example:5432/app"),
        ("postgres://u:s3cret@db.example/app?sslmode=require&sslrootcert=/etc/ca.pem", "postgresql://db.example/app"),
        ("postgresql://u:s%2F3%40cret@[2001:db8::1]:5432/app", "postgresql://[2001:db8::1]:5432/app"),
        ("postgresql://u:s3cret@one:5432,two:5433/app", "postgresql://one:5432,two:5433/app"),
        ("postgresql:///app?host=/var/run/postgresql", "postgresql:///app?host=/var/run/postgresql"),
        ("postgresql://u:s3cret@%2Fvar%2Frun%2Fpostgresql/app", "postgresql:///app?host=/var/run/postgresql"),
        ("postgresql://u@h/app?options=-c%20statement_timeout%3D5min", "postgresql://h/app"),
        ("postgresql://u:a?b#c@h/app", "postgresql://h/app"),
        ("postgresql://?service=app", "postgresql://?service=app"),
        ("service=app", "postgresql://?service=app"),
        ("host=h port=5432 dbname=app user=u password='s3 \\'cret'", "postgresql://h:5432/app"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_every_form_that_libpq_takes_is_taken(text: str, location: str) -> None:
    assert ConnectionString(text).location == location
    added = ConnectionString(text).uri({"client_encoding": "UTF8"}, defaults={"connect_timeout": "3"})
    assert added.startswith(text)
    values = ConnectionString(added).values()
    assert values == {**ConnectionString(text).values(), "client_encoding": "UTF8", "connect_timeout": "3"}


def test_what_is_added_wins_and_what_is_a_default_does_not() -> None:
    for text in (
        "postgresql://h/d?client_encoding=latin1&connect_timeout=9",
        "host=h client_encoding=latin1 connect_timeout=9",
    ):
        added = ConnectionString(text).uri({"client_encoding": "UTF8"}, defaults={"connect_timeout": "3"})
        assert added.endswith(("client_encoding=UTF8", "client_encoding='UTF8'"))
        assert ConnectionString(added).values() == {"host": "h", "client_encoding": "UTF8", "connect_timeout": "9"} | (
            {"dbname": "d"} if "://" in text else {}
        )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("postgresql://u:12/SECRET@host/db", "%2F"),
        ("postgresql://u:SEC@RET@host/db", "%40"),
        ("postgresql://u:100%SECRET@host/db", "%25"),
        ("postgresql://u:SECRET@host:no-port/db", "host and port"),
        ("postgresql://u:SECRET/x@host/db", "%2F"),
        ("postgresql://u:[YOUR-PASSWORD]@host/db", "[YOUR-PASSWORD]"),
        ("postgresql://u:SECRET@host/db?pgbouncer=true", "pgbouncer is a parameter of Prisma"),
        ("postgresql://u:SECRET@host/db?schema=public", "schema is a parameter of Prisma"),
        ("jdbc:postgresql://host/db?user=u&password=SECRET", "postgresql://"),
        ("postgresql+asyncpg://u:SECRET@host/db", "postgresql://"),
        ("mysql://u:SECRET@host/db", "postgresql://"),
        ("u:SECRET@host/db", "name=value"),
        ("host=h password='SECRET", "name=value"),
        ("host=h password=x SECRET dbname=d", "name=value"),
        ("'postgresql://u:SECRET@host/db'", "postgresql://"),
        ("psql postgresql://u:SECRET@host/db", "postgresql://"),
        ("postgresql://u:p@host/db/SECRET", "%2F"),
        ("postgresql://u:p@host/db?SECRET", "name=value"),
    ],
)
def test_what_is_pasted_wrong_is_named_and_shows_only_its_scheme(text: str, why: str) -> None:
    """Any part of a string that cannot be read may be the password."""
    string = ConnectionString(text)
    with pytest.raises(ConfigError) as caught:
        string.values()
    assert why in f"{caught.value.message} {caught.value.hint}"
    assert string.location in ("postgresql://…", "mysql://…", "jdbc://…", "postgresql+asyncpg://…")
    for told in (string.location, caught.value.message, caught.value.hint, repr(string)):
        assert "SECRET" not in told
        assert "RET@" not in told


@pytest.mark.parametrize(
    "text",
    ["postgresql://u:x@aws-0-eu.pooler.supabase.com:6543/postgres", "host=h port=6543", "postgresql://h/d?port=6543"],
)
def test_the_transaction_pooler_is_refused_with_the_right_port(text: str) -> None:
    with pytest.raises(ConfigError, match="transaction pooler") as caught:
        ConnectionString(text).values()
    assert "5432" in caught.value.hint
