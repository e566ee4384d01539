//! Which files there are, how they are laid out, and whose lines they hold.
//!
//! The layout is told by the content, never by the name. Lines are read once; a record that was
//! broken over two lines is put together here and stays one payload. Nothing is dropped: each line
//! of a file is a record, the tail of a joined record, a header or a blank, and all four are counted.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::intake::LineFormat;

use super::line::{self, HEARTH_HEADER, MAX_LINE_OCTETS};

/// Octets looked at to tell a layout.
const PROBE_OCTETS: u64 = 4096;
/// Deepest folder below a given one that is searched.
const MAX_DEPTH: usize = 8;

/// Why there is nothing to replay.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file system refused.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it answered.
        #[source]
        cause: std::io::Error,
    },
    /// The layout of a file that was named could not be told.
    #[error(
        "{}: the layout is not known (its first line is \"{first}\"); name it with --format, one of {}",
        path.display(), NAMES.map(|(name, _)| name).join(", ")
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its first line, shortened.
        first: String,
    },
    /// A folder without a single readable file.
    #[error("no recorded readings in {}", paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    Nothing {
        /// What was given.
        paths: Vec<PathBuf>,
    },
}

/// The names of the layouts, as `--format` takes them.
pub const NAMES: [(&str, LineFormat); 7] = [
    ("hearth", LineFormat::Hearth),
    ("aim94", LineFormat::Aim94),
    ("bp-diary", LineFormat::BpDiary),
    ("bp-hypnos", LineFormat::BpHypnos),
    ("fitbit-weight", LineFormat::FitbitWeight),
    ("iglu", LineFormat::Iglu),
    ("t1d-uom", LineFormat::T1dUom),
];

/// The name of a layout.
pub fn name(format: LineFormat) -> &'static str {
    NAMES.iter().find(|(_, f)| *f == format).map_or("", |(name, _)| name)
}

/// The layout with this name.
pub fn from_name(word: &str) -> Option<LineFormat> {
    NAMES.iter().find(|(name, _)| *name == word).map(|(_, format)| *format)
}

/// The header line of a layout; AIM-94 has none.
pub fn header(format: LineFormat) -> Option<&'static str> {
    match format {
        LineFormat::Hearth => Some(HEARTH_HEADER),
        LineFormat::Aim94 => None,
        LineFormat::BpDiary => Some("local_time,systolic_mmhg,diastolic_mmhg,pulse_bpm"),
        LineFormat::BpHypnos => {
            Some("id,visit,nr,local_time,systolic_mmhg,map_mmhg,diastolic_mmhg,heart_rate_bpm,wake")
        }
        LineFormat::FitbitWeight => Some("Id,Date,WeightKg,WeightPounds,Fat,BMI"),
        LineFormat::Iglu => Some("id,epoch_s,local_time_utc_minus_5,glucose_mg_dl"),
        LineFormat::T1dUom => Some("bg_ts,value"),
    }
}

/// The cell in which a layout says whose line it is.
fn subject_cell(format: LineFormat) -> Option<usize> {
    match format {
        LineFormat::BpHypnos | LineFormat::FitbitWeight | LineFormat::Iglu => Some(0),
        LineFormat::Hearth => Some(8),
        LineFormat::Aim94 | LineFormat::BpDiary | LineFormat::T1dUom => None,
    }
}

/// One file with recorded readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// How its lines are laid out.
    pub format: LineFormat,
    /// Its size in octets.
    pub octets: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files with readings, in the order of their names.
    pub files: Vec<SourceFile>,
    /// Files in folders that hold nothing this program can read.
    pub skipped: Vec<PathBuf>,
}

/// Looks at files and folders. A file that was named must be readable; in a folder, files of
/// another kind (a README, a manifest) are skipped and listed.
///
/// # Errors
/// See [`SourceError`].
pub fn find(paths: &[PathBuf], forced: Option<LineFormat>) -> Result<Found, SourceError> {
    let mut found = Found::default();
    for path in paths {
        let about = fs::metadata(path).map_err(|cause| io(path, cause))?;
        if about.is_dir() {
            walk(path, forced, 0, &mut found)?;
        } else {
            let format = match forced {
                Some(format) => format,
                None => detect(path)?.map_err(|first| unknown(path, first))?,
            };
            found.files.push(SourceFile { path: path.clone(), format, octets: about.len() });
        }
    }
    if found.files.is_empty() {
        return Err(SourceError::Nothing { paths: paths.to_vec() });
    }
    Ok(found)
}

fn walk(
    folder: &Path,
    forced: Option<LineFormat>,
    depth: usize,
    found: &mut Found,
) -> Result<(), SourceError> {
    let list = fs::read_dir(folder).map_err(|cause| io(folder, cause))?;
    let mut entries: Vec<PathBuf> = list
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(|cause| io(folder, cause))?;
    entries.sort();
    for path in entries {
        let about = fs::metadata(&path).map_err(|cause| io(&path, cause))?;
        if about.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, forced, depth + 1, found)?;
            }
            continue;
        }
        match detect(&path)? {
            Ok(format) => {
                let format = forced.unwrap_or(format);
                found.files.push(SourceFile { path, format, octets: about.len() });
            }
            Err(_) => found.skipped.push(path),
        }
    }
    Ok(())
}

/// Tells the layout of a file by its first lines; the inner error is its first line, shortened.
fn detect(path: &Path) -> Result<Result<LineFormat, String>, SourceError> {
    let file = fs::File::open(path).map_err(|cause| io(path, cause))?;
    let mut head = Vec::new();
    file.take(PROBE_OCTETS).read_to_end(&mut head).map_err(|cause| io(path, cause))?;
    Ok(format_of(&head))
}

/// The layout of a file that begins with these octets, or its first line, shortened.
fn format_of(head: &[u8]) -> Result<LineFormat, String> {
    let text = String::from_utf8_lossy(head);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    for (_, format) in NAMES {
        let Some(header) = header(format) else { continue };
        let partly =
            format == LineFormat::Hearth && first.starts_with("device,quantity,time,value,");
        if partly || first.replace('"', "") == header {
            return Ok(format);
        }
    }
    let aim = |line: &str| line::decode(LineFormat::Aim94, line.as_bytes()).is_ok();
    if aim(first) || lines.take(20).filter(|line| aim(line)).count() >= 3 {
        return Ok(LineFormat::Aim94);
    }
    Err(first.chars().take(60).collect())
}

/// One record: the raw payload, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line without its end; two lines with the end between them where it was broken.
    pub octets: Box<[u8]>,
    /// Line number in its file, from 1.
    pub line: u32,
}

/// All records of one person in one layout.
#[derive(Clone, Debug)]
pub struct Series {
    /// As the file calls the person; the file's name where it does not.
    pub subject: String,
    /// The layout.
    pub format: LineFormat,
    /// The files it came from.
    pub files: Vec<PathBuf>,
    /// In the order of the files.
    pub records: Vec<Record>,
}

/// What the lines of files were, before any of them was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines in all.
    pub lines: u64,
    /// Header lines.
    pub headers: u64,
    /// Blank lines.
    pub blank: u64,
    /// Second halves of records that were broken over two lines.
    pub joined: u64,
}

impl LineCounts {
    /// Adds other files' counts.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.headers += other.headers;
        self.blank += other.blank;
        self.joined += other.joined;
    }
}

/// Files that must be read together, because the lines say whose they are: a person's readings may
/// lie in several. Each other file is a group, and a person, of its own.
pub fn groups(files: &[SourceFile]) -> Vec<Vec<SourceFile>> {
    let mut groups: Vec<Vec<SourceFile>> = Vec::new();
    for file in files {
        let joined = subject_cell(file.format).is_some();
        let same = |g: &&mut Vec<SourceFile>| {
            joined && g.first().is_some_and(|first| first.format == file.format)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(file.clone()),
            None => groups.push(vec![file.clone()]),
        }
    }
    groups
}

/// Reads the files of one group, told by `progress` how many octets were read.
///
/// # Errors
/// What the file system answered.
pub fn read(
    group: &[SourceFile],
    progress: &dyn Fn(u64),
) -> Result<(Vec<Series>, LineCounts), SourceError> {
    let mut counts = LineCounts::default();
    let mut series: Vec<Series> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for file in group {
        let stem = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut subject = stem.clone();
        let each = |record: Record| {
            if let Some(cell) = subject_cell(file.format) {
                // A line that does not say whose it is stays with its neighbours.
                if let Some(named) = cell_of(&record.octets, cell) {
                    subject = named;
                }
            }
            let place = *places.entry(subject.clone()).or_insert_with(|| {
                series.push(Series {
                    subject: subject.clone(),
                    format: file.format,
                    files: Vec::new(),
                    records: Vec::new(),
                });
                series.len() - 1
            });
            if let Some(found) = series.get_mut(place) {
                if found.files.last() != Some(&file.path) {
                    found.files.push(file.path.clone());
                }
                found.records.push(record);
            }
        };
        let opened = fs::File::open(&file.path).map_err(|cause| io(&file.path, cause))?;
        let read = split(BufReader::new(opened), file.format, progress, each);
        counts.add(read.map_err(|cause| io(&file.path, cause))?);
    }
    Ok((series, counts))
}

/// Divides a stream into records.
fn split(
    mut input: impl BufRead,
    format: LineFormat,
    progress: &dyn Fn(u64),
    mut each: impl FnMut(Record),
) -> std::io::Result<LineCounts> {
    let mut counts = LineCounts::default();
    let mut held: Option<Record> = None;
    let mut octets = Vec::new();
    loop {
        octets.clear();
        let n = input.read_until(b'\n', &mut octets)?;
        if n == 0 {
            break;
        }
        progress(n as u64);
        counts.lines += 1;
        while octets.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            octets.pop();
        }
        if counts.lines == 1 && octets.starts_with(b"\xef\xbb\xbf") {
            octets.drain(..3);
        }
        if counts.lines == 1 && is_header(&octets, format) {
            counts.headers += 1;
        } else if octets.iter().all(u8::is_ascii_whitespace) {
            counts.blank += 1;
        } else if let Some(mut head) = held.take_if(|head| is_broken(&head.octets, &octets)) {
            counts.joined += 1;
            let mut whole = head.octets.into_vec();
            whole.push(b'\n');
            whole.extend_from_slice(&octets);
            head.octets = whole.into_boxed_slice();
            each(head);
        } else {
            let line = u32::try_from(counts.lines).unwrap_or(u32::MAX);
            let record = Record { octets: octets.clone().into_boxed_slice(), line };
            let before =
                if format == LineFormat::Aim94 { held.replace(record) } else { Some(record) };
            if let Some(record) = before {
                each(record);
            }
        }
    }
    if let Some(record) = held {
        each(record);
    }
    Ok(counts)
}

fn is_header(octets: &[u8], format: LineFormat) -> bool {
    let text = String::from_utf8_lossy(octets).replace('"', "");
    let hearth = format == LineFormat::Hearth && text.starts_with("device,quantity,time,value,");
    hearth || header(format) == Some(text.trim_end())
}

/// An AIM-94 record of code 0 without a value, followed by a line that begins with a tab.
fn is_broken(head: &[u8], tail: &[u8]) -> bool {
    head.ends_with(b"\t0\t") && tail.starts_with(b"\t") && tail.len() < MAX_LINE_OCTETS / 2
}

fn cell_of(octets: &[u8], place: usize) -> Option<String> {
    let cell = octets.split(|b| *b == b',').nth(place)?;
    let text = String::from_utf8_lossy(cell);
    let text = text.trim().trim_matches('"');
    (!text.is_empty()).then(|| text.to_owned())
}

fn io(path: &Path, cause: std::io::Error) -> SourceError {
    SourceError::Io { path: path.to_owned(), cause }
}

fn unknown(path: &Path, first: String) -> SourceError {
    SourceError::Unknown { path: path.to_owned(), first }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn records(format: LineFormat, text: &str) -> (Vec<String>, LineCounts) {
        let mut seen = Vec::new();
        let each = |r: Record| seen.push(String::from_utf8_lossy(&r.octets).into_owned());
        let counts = split(text.as_bytes(), format, &|_| {}, each).unwrap();
        assert_eq!(
            counts.lines,
            seen.len() as u64 + counts.headers + counts.blank + counts.joined,
            "every line is a record, a header, a blank or the tail of a record"
        );
        (seen, counts)
    }

    #[test]
    fn a_record_broken_over_two_lines_is_put_together_and_counted() {
        let text = "03-05-1990\t7:00\t0\t\n\t119\t33\t3A\n03-05-1990\t7:00\t33\t006\n\n";
        let (seen, counts) = records(LineFormat::Aim94, text);
        assert_eq!(seen, ["03-05-1990\t7:00\t0\t\n\t119\t33\t3A", "03-05-1990\t7:00\t33\t006"]);
        assert_eq!(counts, LineCounts { lines: 4, headers: 0, blank: 1, joined: 1 });
    }

    #[test]
    fn a_half_record_without_its_other_half_stays_a_record_of_its_own() {
        let (seen, counts) = records(LineFormat::Aim94, "03-05-1990\t7:00\t0\t");
        assert_eq!((seen.len(), counts.joined), (1, 0));
        let (seen, counts) = records(LineFormat::Aim94, "\t119\t33\t3A\n");
        assert_eq!((seen.len(), counts.joined), (1, 0));
    }

    #[test]
    fn layouts_are_told_by_their_content() {
        let check =
            |text: &str, expected| assert_eq!(format_of(text.as_bytes()).ok(), expected, "{text}");
        for (_, format) in NAMES {
            if let Some(header) = header(format) {
                check(&format!("\u{feff}{header}\r\n"), Some(format));
            }
        }
        check("03-05-1990\t7:00\t58\t119\n", Some(LineFormat::Aim94));
        check("device,quantity,time,value,value2,unit\n", Some(LineFormat::Hearth));
        check("# Readme\n\nwords", None);
        check("file\tbytes\tsha256\nx\t1\tab\n", None);
        check("", None);
    }

    #[test]
    fn an_unknown_file_is_refused_with_its_first_line_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        fs::write(&path, "when,what\n1,2\n").unwrap();
        let error = find(std::slice::from_ref(&path), None).unwrap_err().to_string();
        assert!(error.contains("\"when,what\"") && error.contains("--format"), "{error}");
        let error = find(&[folder.path().to_owned()], None).unwrap_err().to_string();
        assert!(error.starts_with("no recorded readings in "), "{error}");
        assert_eq!(find(&[path], Some(LineFormat::T1dUom)).unwrap().files.len(), 1);
    }

    #[test]
    fn people_in_one_file_and_one_person_in_two_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let header = header(LineFormat::FitbitWeight).unwrap();
        fs::write(
            folder.path().join("a.csv"),
            format!("{header}\n7,4-2-2020,60,,,\n8,4-2-2020,70,,,\n"),
        )
        .unwrap();
        fs::write(folder.path().join("b.csv"), format!("{header}\n,broken\n7,4-3-2020,60,,,\n"))
            .unwrap();
        let found = find(&[folder.path().to_owned()], None).unwrap();
        let groups = groups(&found.files);
        assert_eq!(groups.len(), 1);
        let (series, counts) = read(groups.first().unwrap(), &|_| {}).unwrap();
        let people: Vec<_> = series.iter().map(|s| (s.subject.as_str(), s.records.len())).collect();
        assert_eq!(people, [("7", 2), ("8", 1), ("b", 1)]);
        assert_eq!(counts.lines, 6);
    }
}
