"""Staff accounts, sessions, the audit log, and background jobs."""

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.database.connection import Table, TableMeta, table_name


class StaffMember(Table):
    """A staff account."""

    class Meta(TableMeta):
        table_name = table_name("staff")

    email = UnicodeAttribute(hash_key=True)  # lower case
    role = UnicodeAttribute()  # merchant, finance
    password = UnicodeAttribute(default="")  # argon2's own format; "" if none was ever set
    session_version = NumberAttribute(default=0)  # sessions with a lower one have ended
    created_at = UnicodeAttribute()


class StaffIndex(Table):
    """All accounts in one row: it lists them, and ensures that a merchant is left."""

    class Meta(StaffMember.Meta):
        pass

    email = UnicodeAttribute(hash_key=True, default="everybody")  # no address: those have an @
    roles: JSONAttribute = JSONAttribute()  # {email address: role}
    version = NumberAttribute(default=0)


class StaffSession(Table):
    """A session, or another expiring row about logins; the key's prefix is its kind."""

    class Meta(TableMeta):
        table_name = table_name("staff-sessions")

    TTL = "expires"

    key = UnicodeAttribute(hash_key=True)  # session# and the SHA-256 of the cookie
    email = UnicodeAttribute(null=True)
    session_version = NumberAttribute(default=0)
    last_seen_at = NumberAttribute(default=0)  # seconds since 1970
    expires = NumberAttribute()


class AuditEntry(Table):
    """A change by staff. Never updated."""

    class Meta(TableMeta):
        table_name = table_name("audit-log")

    month = UnicodeAttribute(hash_key=True)  # such as 2026-11, in UTC
    entry = UnicodeAttribute(range_key=True)  # moment # random
    at = UnicodeAttribute()
    actor = UnicodeAttribute()  # an email address
    action = UnicodeAttribute()  # as text: "shipped an order"
    subject = UnicodeAttribute()  # "order 48219-30476", "product green-tea"
    before: JSONAttribute = JSONAttribute()
    after: JSONAttribute = JSONAttribute()


class Job(Table):
    """A background job."""

    class Meta(TableMeta):
        table_name = table_name("background-jobs")

    TTL = "expires"

    id = UnicodeAttribute(hash_key=True)
    kind = UnicodeAttribute()
    actor = UnicodeAttribute()
    created_at = UnicodeAttribute()
    arguments: JSONAttribute = JSONAttribute()
    private_arguments: JSONAttribute = JSONAttribute(null=True)  # search terms; deleted when the job ends
    state = UnicodeAttribute(default="waiting")  # waiting, running, done, failed
    progress = NumberAttribute(default=0)
    total = NumberAttribute(default=0)
    message = UnicodeAttribute(default="")
    problems: JSONAttribute = JSONAttribute()
    result_key = UnicodeAttribute(null=True)  # in the books' bucket
    updated_at = NumberAttribute(default=0)  # of the last progress, in seconds since 1970
    expires = NumberAttribute()
