"""A table with every kind of type that Postgres has, and rows that test their edges.

``COLUMNS`` maps each column to its type; ``ROWS`` holds SQL expressions by column, NULL where a row has none.
"""

TYPES = (
    "CREATE TYPE mood AS ENUM ('froh', 'müde', 'it''s')",
    "CREATE TYPE place AS (street text, number integer)",
    "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    "CREATE DOMAIN nested AS positive",
    "CREATE DOMAIN words AS text[]",
    "CREATE DOMAIN moment AS timestamptz",
    "CREATE TYPE floatrange AS RANGE (subtype = float8)",
)

COLUMNS = {
    "a_smallint": "smallint",
    "a_integer": "integer",
    "a_bigint": "bigint",
    "a_numeric": "numeric",
    "a_money_like": "numeric(12,4)",
    "a_real": "real",
    "a_double": "double precision",
    "a_bool": "boolean",
    "a_text": "text",
    "a_varchar": "varchar(40)",
    "a_char": "char(6)",
    "a_name": "name",
    "a_single": '"char"',
    "a_bytea": "bytea",
    "a_uuid": "uuid",
    "a_json": "json",
    "a_jsonb": "jsonb",
    "a_timestamptz": "timestamptz",
    "a_timestamp": "timestamp",
    "a_date": "date",
    "a_time": "time",
    "a_timetz": "timetz",
    "an_interval": "interval",
    "an_inet": "inet",
    "a_cidr": "cidr",
    "a_macaddr": "macaddr",
    "int_array": "integer[]",
    "text_array": "text[]",
    "moments": "timestamptz[]",
    "a_mood": "mood",
    "moods": "mood[]",
    "a_place": "place",
    "places": "place[]",
    "a_positive": "positive",
    "a_nested": "nested",
    "some_words": "words",
    "a_moment": "moment",
    "a_range": "int4range",
    "a_tstzrange": "tstzrange",
    "a_floatrange": "floatrange",
    "a_multirange": "int4multirange",
    "a_point": "point",
    "a_polygon": "polygon",
    "a_circle": "circle",
    "some_bits": "bit(5)",
    "more_bits": "bit varying",
    "an_xml": "xml",
    "a_tsvector": "tsvector",
    "a_tsquery": "tsquery",
    "a_money": "money",
    "an_oid": "oid",
    "a_class": "regclass",
    "an_lsn": "pg_lsn",
    'Mixed "Case" Ünïcode': "text",
}

ROWS: tuple[dict[str, str], ...] = (
    {
        "a_smallint": "-32768",
        "a_integer": "-2147483648",
        "a_bigint": "-9223372036854775808",
        "a_numeric": "123456789012345678901234567890123456789012345678901234567890.000100",
        "a_money_like": "12345678.9000",
        "a_real": "'1.1'",
        "a_double": "'0.1'",
        "a_bool": "true",
        "a_text": "'Größe „XL“\n\t\\ '' \" 🚚'",
        "a_varchar": "'ends with blanks   '",
        "a_char": "'ab'",
        "a_name": "'n'",
        "a_single": "'x'",
        "a_bytea": r"'\x00ff5c27'",
        "a_uuid": "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'",
        "a_json": """'{"b":  1, "a": 123456789012345678901234567890.1234567890123456789, "a": 2}'""",
        "a_jsonb": """'{"n": 123456789012345678901234567890.1234567890123456789, "t": "\\u00e4\\n", "e": {}}'""",
        "a_timestamptz": "'2026-03-29 02:30:00.123456+01'",
        "a_timestamp": "'2026-10-25 02:30:00.000001'",
        "a_date": "'2024-02-29'",
        "a_time": "'23:59:59.999999'",
        "a_timetz": "'04:05:06.789-08'",
        "an_interval": "'1 year 2 mons -3 days 04:05:06.000007'",
        "an_inet": "'2001:db8::1/64'",
        "a_cidr": "'192.168.100.128/25'",
        "a_macaddr": "'08:00:2b:01:02:03'",
        "int_array": "'{{1,2},{3,NULL}}'",
        "text_array": "ARRAY['a', NULL, '', 'NULL', 'with \"quotes\", commas and \\']",
        "moments": "ARRAY['2026-01-01 00:00+01'::timestamptz, 'infinity']",
        "a_mood": "'müde'",
        "moods": "ARRAY['froh', 'it''s']::mood[]",
        "a_place": "ROW('Am \"Markt\", 3', 7)::place",
        "places": "ARRAY[ROW('', NULL)::place]",
        "a_positive": "7",
        "a_nested": "8",
        "some_words": "ARRAY['x']",
        "a_moment": "'2026-05-01 12:00+00'",
        "a_range": "'[1,10)'",
        "a_tstzrange": "'[2026-01-01 00:00+01,infinity)'",
        "a_floatrange": "'(1.5,2.5]'",
        "a_multirange": "'{[1,3),[7,9)}'",
        "a_point": "'(1.5,-2)'",
        "a_polygon": "'((0,0),(1,1),(2,0))'",
        "a_circle": "'<(1,2),3>'",
        "some_bits": "B'10101'",
        "more_bits": "B'1'",
        "an_xml": "'<a b=\"c\">ä</a>'",
        "a_tsvector": "'fat:2A cat:3 ''it''''s'':1'",
        "a_tsquery": "'fat & !cat'",
        "a_money": "'-1234.56'",
        "an_oid": "4294967295",
        "a_class": "'pg_catalog.pg_class'",
        "an_lsn": "'16/B374D848'",
        'Mixed "Case" Ünïcode': "'x'",
    },
    {
        "a_smallint": "32767",
        "a_integer": "2147483647",
        "a_bigint": "9223372036854775807",
        "a_numeric": "'NaN'",
        "a_money_like": "'NaN'",
        "a_real": "'NaN'",
        "a_double": "'NaN'",
        "a_bool": "false",
        "a_text": "''",
        "a_varchar": "''",
        "a_char": "''",
        "a_bytea": "''",
        "a_json": "'null'",
        "a_jsonb": "'[]'",
        "a_timestamptz": "'infinity'",
        "a_timestamp": "'-infinity'",
        "a_date": "'infinity'",
        "a_time": "'24:00:00'",
        "an_interval": "'0'",
        "an_inet": "'10.0.0.1'",
        "int_array": "'{}'",
        "text_array": "'{}'",
        "a_range": "'empty'",
        "a_multirange": "'{}'",
        "more_bits": "B''",
        "a_tsvector": "''",
        "an_oid": "0",
        "a_moment": "'infinity'",
    },
    {
        "a_numeric": "0.00000000000000000000000000000000000000000000000000000000000000000000000001",
        "a_money_like": "0",
        "a_real": "'-Infinity'",
        "a_double": "'-0'",
        "a_timestamptz": "'0044-03-15 12:00:00+00 BC'",
        "a_timestamp": "'4713-01-01 00:00:00 BC'",
        "a_date": "'-infinity'",
        "a_time": "'00:00:00'",
        "a_text": "repeat('ä1', 500000)",
        "int_array": "'[0:1]={5,6}'",
        "a_moment": "'-infinity'",
    },
    {
        "a_double": "'5e-324'",
        "a_real": "'1e-45'",
        "a_timestamptz": "'-infinity'",
        "a_timestamp": "'infinity'",
        "a_date": "'5874897-12-31'",
    },
    {
        "a_double": "'1.7976931348623157e308'",
        "a_timestamptz": "'294000-01-01 00:00:00+00'",
        "a_timestamp": "'294246-01-01 00:00:00'",
        "a_date": "'4713-01-01 BC'",
    },
    {},
)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def statements(table: str = "all_types", *, xml: bool = True) -> list[str]:
    """Make the table and fill it: a row an hour from 2026-05-01, and a generated column.

    Args:
        xml: False for a server that was built without libxml; the column is there, and empty.
    """
    columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in COLUMNS.items())
    own = "id bigint PRIMARY KEY, created_at timestamptz NOT NULL"
    generated = "doubled bigint GENERATED ALWAYS AS (id * 2) STORED"
    made = [
        *TYPES,
        f"CREATE TABLE {_quoted(table)} ({own}, {columns}, {generated})",
        f"ALTER TABLE {_quoted(table)} ADD COLUMN gone text",
        f"ALTER TABLE {_quoted(table)} DROP COLUMN gone",
    ]
    for number, full in enumerate(ROWS):
        row = {name: value for name, value in full.items() if xml or name != "an_xml"}
        names = ", ".join(_quoted(name) for name in row)
        values = ", ".join(row.values())
        extra = f", {names}" if names else ""
        filled = f", {values}" if values else ""
        made.append(
            f"INSERT INTO {_quoted(table)} (id, created_at{extra})"
            f" VALUES ({number}, timestamptz '2026-05-01 00:00+00' + interval '{number} hours'{filled})"
        )
    return made
