-- What the radio knows of a device: which model profile it has, its bond, its clock, the records it says
-- it holds, and how its last sessions went. A device that no radio has met has no row here.
alter table device add column alias text;       -- what people call it here; never a person's name
create table device_radio (
    device             text primary key references device (id),
    profile            text,                    -- id of its model profile; null: recognised when it is met
    bonded             integer,                 -- 1 a key is here; null unknown, as the next three
    secure_connections integer,                 -- 1 LE Secure Connections
    authenticated      integer,                 -- 1 protected against a man in the middle
    key_octets         integer,
    bonded_ms          integer,                 -- when the bond was last made or found gone
    state              text not null default 'new',  -- 'new' | 'ok' | 'not_paired' | 'bond_lost' | 'unreachable' | code of a fault
    state_ms           integer,                 -- since when
    clock_before_s     integer,                 -- seconds it was behind our clock; negative: ahead
    clock_set          integer,                 -- 1 it was set then
    clock_after_s      integer,                 -- the same after it was set and read back
    clock_ms           integer,                 -- when
    manufacturer       text,
    model              text,
    firmware           text,
    hardware           text,
    software           text,
    records_held       integer,                 -- as the device last said, and when
    records_new        integer,
    record_first       integer,
    record_last        integer,
    records_ms         integer,
    epoch              integer not null default 0,  -- how often its numbering started anew
    epoch_journal_seq  integer not null default 0,  -- raw rows behind this one have the numbering in use
    sessions_complete  integer not null default 0,
    sessions_incomplete integer not null default 0,
    sessions_failed    integer not null default 0,
    radio_day          integer,                 -- UTC day of radio_ms
    radio_ms           integer not null default 0   -- milliseconds connected on that day
) strict;

-- User slots with the code that its user chose (User Data Service). A code says nothing about a person.
create table device_slot (
    device  text not null references device (id),
    slot    integer not null,
    consent integer not null,
    primary key (device, slot)
) strict, without rowid;

-- The last sessions of each device.
create table radio_session (
    seq        integer primary key autoincrement,
    device     text not null references device (id),
    started_ms integer not null,
    ended_ms   integer not null,
    how        integer not null,                -- 1 complete, 2 incomplete, 3 failed
    how_many   integer not null,                -- values that were committed
    code       text                             -- of the fault, unless it was complete
) strict;
create index radio_session_device on radio_session (device, seq);
