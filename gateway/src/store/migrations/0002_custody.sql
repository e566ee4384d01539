-- Duplicates are counted by device, not kept: a meter that re-sends ten thousand records at every
-- connection would otherwise grow the journal without bound.
create table duplicate (
    device  text primary key,
    n       integer not null,
    last_ms integer not null
) strict;

-- Content already judged that became no observation of its own: quarantined payloads and second
-- copies of a reading in other octets. Their next re-send is a duplicate of `journal_seq`.
create table known (
    id          blob primary key,              -- UUIDv5, 16 octets
    journal_seq integer not null references journal (seq)
) strict, without rowid;

-- Circumstances that came in a record of their own (2A34). `observation_seq` is null until the
-- reading with that number arrives.
create table meal_context (
    journal_seq     integer primary key references journal (seq),
    device          text not null,
    sequence        integer not null,
    meal            integer,
    received_ms     integer not null,
    observation_seq integer references observation (seq)
) strict;
create index meal_context_waiting on meal_context (device, sequence) where observation_seq is null;
create index meal_context_observation on meal_context (observation_seq);

-- The secondary key of a reading (device, its stamp, value), and the record a context belongs to.
drop index observation_device_time;
create index observation_stamp on observation (device, device_time) where device_time is not null;
create index observation_sequence on observation (device, sequence) where sequence is not null;
create index alert_state_due on alert_state (due_s) where due_s is not null;

-- Start of the running session of a glucose sensor (2AAA): its readings count minutes from here.
create table sensor_session (
    device  text primary key references device (id),
    local_s integer not null,                  -- the sensor's clock face, seconds since 1970 on it
    utc_s   integer                            -- the same in UTC, where zone and summer time are known
) strict;
