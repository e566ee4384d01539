-- Every input ends as an observation, a value absent with a reason, a quarantined payload, a counted
-- duplicate or a counted loss: `journal.outcome` says which. All times are UTC milliseconds unless the
-- name ends in _s (seconds), _min (minutes) or _day (local day number since 1970-01-01).

create table meta (
    key   text primary key,
    value text not null
) strict;

-- What arrived, before anybody judged it. Only `outcome` and `detail` ever change.
create table journal (
    seq              integer primary key autoincrement,
    kind             integer not null,   -- 1 gatt value, 2 line of a file, 3 command, 4 probe
    device           text,               -- device id, null for commands and probes
    characteristic   integer,            -- 16-bit UUID for kind 1, line format for kind 2
    payload          blob not null,
    received_ms      integer not null,
    monotonic_ms     integer not null,
    boot             blob not null,      -- 16 octets, this start of the gateway's machine
    clock_trusted    integer not null,   -- 0: the gateway's clock was not synchronised
    connection       integer not null,   -- counts connections since boot
    position         integer not null,   -- place within the connection
    link             integer not null,   -- LinkSecurity bits, 0 = unknown
    clock_offset_s   integer,            -- our UTC minus the device's clock read as UTC, this connection
    checksum         integer not null,   -- CRC-32 over all columns above
    outcome          integer not null default 0,
    detail           text
) strict;
create index journal_pending on journal (seq) where outcome = 0;
create index journal_quarantine on journal (seq) where outcome = 3;

create table observation (
    seq            integer primary key autoincrement,
    id             blob not null unique,       -- UUIDv5, 16 octets
    journal_seq    integer not null references journal (seq),
    part           integer not null,           -- place within the payload
    device         text not null,
    slot           integer,
    sequence       integer,
    weak           integer not null,           -- 1: identity rests on connection and position
    quantity       integer not null,
    v1             integer,                    -- value; systolic
    v2             integer,                    -- diastolic
    v3             integer,                    -- mean arterial pressure
    absent         integer,
    unit           integer not null,
    marks          integer not null,           -- bit 0 invalid, 1 suspect, 2 preliminary, 3 clock fault, 4 battery low
    meal           integer,
    measured_ms    integer not null,
    offset_min     integer not null,           -- local time minus UTC at measured_ms in the patient's (or gateway's) zone
    clock          integer not null,           -- ClockTrust
    clock_error_s  integer,                    -- bound on the error of measured_ms, null unknown
    device_time    text,                       -- as the device gave it, no zone
    received_ms    integer not null,
    plausibility   integer not null,           -- 1 accepted, 2 dangerous side, 3 harmless side
    checksum       integer not null            -- CRC-32 over all columns above
) strict;
create index observation_device_time on observation (device, measured_ms);
create index observation_journal on observation (journal_seq);

-- Whose it is: a decision of its own, with history. The newest row of an observation counts.
create table attribution (
    seq             integer primary key autoincrement,
    observation_seq integer not null references observation (seq),
    patient         text,                      -- null: unclaimed, in the claim tray
    method          integer not null,          -- 1 sole owner, 2 user slot, 3 claimed by a person, 4 unclaimed, 5 re-attributed
    decided_by      text not null,             -- 'roster' or the id of the command
    decided_ms      integer not null
) strict;
create index attribution_observation on attribution (observation_seq, seq);

-- The current owner, for fast series: maintained with attribution in the same transaction.
create table series (
    patient         text not null,
    quantity        integer not null,
    measured_ms     integer not null,
    observation_seq integer not null references observation (seq),
    primary key (patient, quantity, measured_ms, observation_seq)
) strict, without rowid;
create table claim_tray (
    observation_seq integer primary key references observation (seq),
    since_ms        integer not null
) strict;

create table patient (
    id            text primary key,            -- opaque; never a name
    zone          text,                        -- IANA; null unknown: no prompt, a task for staff
    language      text,                        -- BCP 47; null unknown: the same
    monitoring    integer not null,            -- 1 enrolled
    prompts       integer,                     -- consent to prompts; null unknown
    quiet_from_min integer,
    quiet_to_min  integer,
    start_ms      integer not null,            -- monitoring since; older stamps are history
    limits        text not null,               -- JSON as in A13, rule id -> values
    mutes         text not null default '[]',  -- JSON [[from_s, to_s], ...]
    daily_cap     integer not null default 2,
    closed_ms     integer
) strict;
-- People apart: erasing this row does not touch the journal.
create table person (
    patient text primary key references patient (id) on delete cascade,
    name    text,
    contact text
) strict;
create table plan (
    id            text primary key,
    patient       text not null references patient (id),
    programme     text not null,
    start_day     integer not null,
    overrides     text not null,               -- JSON of NI-1 plan parameters
    state         text not null,               -- 'active' | 'paused' | 'closed'
    publisher     blob,                        -- NI-1 schedule state
    silence       blob,                        -- A12 state
    evaluated_day integer,                     -- last local day whose evaluation and grace are done
    next_ms       integer                      -- when the day's work is due again; null: at once
) strict;
create table plan_event (
    plan    text not null references plan (id),
    day     integer not null,
    kind    text not null,                     -- 'medication_change'
    note    text,
    primary key (plan, day, kind)
) strict;
create table pause (
    patient  text not null references patient (id),
    from_day integer not null,
    to_day   integer not null,                 -- inclusive; a pause always ends
    reason   text not null,                    -- 'away' | 'ill' | 'hospital' | 'repair' | 'programme'
    primary key (patient, from_day)
) strict;

create table device (
    id                  text primary key,      -- opaque
    kind                text not null,         -- 'glucose_meter' | 'blood_pressure_cuff' | 'weight_scale' | ...
    model               text,
    address             text unique,
    zone                text,                  -- zone of its clock; null: the owner's
    expected_interval_s integer,
    added_ms            integer not null,
    battery_percent     integer,
    clock_trust         integer,
    last_seen_ms        integer,
    records_reported    integer,
    last_sequence       integer,
    retired_ms          integer
) strict;
create table device_owner (
    device  text not null references device (id),
    slot    integer,                           -- null: the whole device
    patient text not null references patient (id),
    from_ms integer not null,
    to_ms   integer
) strict;
create index device_owner_device on device_owner (device);

create table alert_state (
    patient  text primary key references patient (id),
    snapshot blob not null,                    -- engine state, postcard
    due_s    integer,                          -- when a tick would do something
    checksum integer not null
) strict;
create table alert (
    id              blob primary key,          -- UUIDv5 of rule, rule version, patient and observation
    patient         text not null,
    rule            text not null,
    level           text not null,             -- 'A' | 'U' | 'C'
    state           text not null,             -- 'Pending' | 'Active' | 'Acked' | 'Cleared' | 'Idle'
    late            integer not null,
    observation_seq integer,
    raised_ms       integer not null,          -- processing time
    measured_ms     integer,
    changed_ms      integer not null,
    acked_ms        integer,
    acked_by        text,
    history         text not null              -- JSON list of transitions
) strict;
create index alert_open on alert (patient, rule) where state in ('Pending', 'Active', 'Acked', 'Cleared');

create table verdict (
    plan      text not null references plan (id),
    day       integer not null,
    phase     text not null,
    k         integer not null,
    verdict   text not null,
    reason    text,
    published text,
    action    text not null,
    evidence  text not null,                   -- JSON, B10 field names; a list for two series
    sentence  text not null,
    rule      text not null,                   -- 'NI-1 v1'
    made_ms   integer not null,
    primary key (plan, day)
) strict, without rowid;

create table need (
    id           blob primary key,             -- UUIDv5
    patient      text not null references patient (id),
    plan         text,
    kind         text not null,                -- 'follow_up_visit' | 'measure_more' | 'nudge' | 'alert_notice' | ...
    reason       text not null,                -- one plain sentence
    short        text not null default '{}',   -- how the values went, for the patient: JSON, language -> sentence
    state        text not null,                -- 'open' | 'booked' | 'handed_to_nurse' | 'closed'
    attempts     integer not null,
    attempts_max integer not null,
    next_ms      integer,                      -- next attempt
    opened_ms    integer not null,
    changed_ms   integer not null,
    outcome      text
) strict;
create index need_due on need (next_ms) where state = 'open';
create table prompt (
    id         blob primary key,               -- UUIDv5 of need and attempt, or of rule and observation
    need       blob references need (id),
    plan       text,                           -- the plan it comes from, if any
    missed     integer,                        -- planned days missed in a row, for nudges
    patient    text not null,
    kind       text not null,
    level      text,                           -- for notices of alerts
    language   text not null,
    text       text not null,
    silent     integer not null,
    created_ms integer not null,
    due_ms     integer not null,               -- not before
    expires_ms integer not null,
    state      text not null,                  -- 'waiting' | 'sent' | 'dropped' | 'withdrawn' | 'expired' | 'answered'
    why        text,                           -- the governor's word when dropped or deferred
    sent_ms    integer,
    answer     text,
    attempt    integer not null default 1,
    rule       text,                           -- rule of the alert, for its notices
    lane_seq   integer,                        -- number on lane 1 once it was sent
    channel    text not null default 'mqtt',   -- with local_hour and outcome: what worked
    local_hour integer,                        -- hour of the patient's day when it was sent
    outcome    text                            -- 'done' | 'later' | 'help' | 'stop' | 'booked' | 'measured' | 'expired' ...
) strict;
create index prompt_due on prompt (due_ms) where state = 'waiting';
create index prompt_patient_sent on prompt (patient, sent_ms);
create table task (
    id        blob primary key,
    patient   text,
    need      blob,
    kind      text not null,
    reason    text not null,
    level     text not null,
    state     text not null,                   -- 'open' | 'done'
    made_ms   integer not null,
    done_ms   integer,
    outcome   text
) strict;

-- What goes out. Numbers are gapless per lane; rows stay until every named consumer's watermark.
create table outbox (
    lane       integer not null,               -- 1 alerts, prompts, tasks; 2 observations, verdicts
    seq        integer not null,
    id         blob not null,
    kind       text not null,
    patient    text,
    body       text not null,                  -- JSON, without lane and seq
    created_ms integer not null,
    expires_ms integer,
    state      integer not null default 0,     -- 0 queued, 1 acknowledged by the broker, 2 tombstone queued, 3 tombstone acknowledged
    acked_ms   integer,
    checksum   integer not null,               -- CRC-32 over lane .. expires_ms
    primary key (lane, seq)
) strict, without rowid;
create index outbox_queued on outbox (lane, seq) where state in (0, 2);
create index outbox_expiry on outbox (expires_ms) where state = 0 and expires_ms is not null;
create table lane (
    lane integer primary key,
    last integer not null                      -- last number given
) strict;
insert into lane values (1, 0), (2, 0);
create table watermark (
    consumer text not null,
    lane     integer not null,
    seq      integer not null,
    at_ms    integer not null,
    primary key (consumer, lane)
) strict;

create table command (
    id          text primary key,              -- given by the sender; executed once
    journal_seq integer not null references journal (seq),
    verb        text not null,
    origin      text not null,                 -- 'mqtt' | 'socket' | 'household'
    state       text not null,                 -- 'done' | 'refused'
    result      text not null,                 -- JSON
    done_ms     integer not null
) strict;

create table counter (
    name text primary key,                     -- 'duplicates', 'quarantined', 'lost', ...
    n    integer not null
) strict;
create table loss (
    seq       integer primary key autoincrement,
    device    text,
    from_ms   integer,
    to_ms     integer,
    count     integer not null,
    reason    text not null,
    noted_ms  integer not null
) strict;
