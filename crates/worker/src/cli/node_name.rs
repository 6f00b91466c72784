//! Node names, and the names of files that contain them: Celery's `%h`, `%n` and `%d`.

/// A worker's node name. In it `%h` is the host's whole name, `%n` its first part and `%d` what follows it; a name
/// without a host is Celery's name on that host.
pub(super) fn of_worker(name: &str) -> String {
    let host = hostname::get().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default();
    named(name, &host)
}

/// The name of a file for a node: `%n` is the part of its name before the `@`, `%h` its host, `%p` all of it. A worker
/// is one process, so that `%i` and `%I`, Celery's numbers of a pool's processes, are empty.
pub(super) fn in_path(path: &str, node: &str) -> String {
    let (name, host) = node.split_once('@').unwrap_or(("celery", node));
    let (_, domain) = parts(host);
    fill(path, &[('n', name), ('h', host), ('d', domain), ('p', node), ('i', ""), ('I', "")])
}

fn named(name: &str, host: &str) -> String {
    let whole = match name.split_once('@') {
        _ if name.is_empty() => "celery@%h".to_owned(),
        Some(("", host)) => format!("celery@{host}"),
        Some((name, "")) => format!("{name}@%h"),
        Some(_) => name.to_owned(),
        None => format!("celery@{name}"),
    };
    let (first, domain) = parts(host);
    fill(&whole, &[('h', host), ('n', first), ('d', domain)])
}

fn parts(host: &str) -> (&str, &str) {
    host.split_once('.').unwrap_or((host, ""))
}

fn fill(text: &str, values: &[(char, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let value =
            |wanted: char| values.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| *value);
        match (char, rest.clone().next()) {
            ('%', Some('%')) => {
                filled.push('%');
                rest.next();
            }
            ('%', Some(letter)) if value(letter).is_some() => {
                filled.push_str(value(letter).unwrap_or_default());
                rest.next();
            }
            _ => filled.push(char),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_as_celery_fills_them() {
        for (name, full) in [
            ("w1@%h", "w1@box.shop.example"),
            ("w1@%n", "w1@box"),
            ("w1.%d@%n", "w1.shop.example@box"),
            ("%n@%h", "box@box.shop.example"),
            ("w1@elsewhere", "w1@elsewhere"),
            ("w1", "celery@w1"),
            ("", "celery@box.shop.example"),
            ("@%h", "celery@box.shop.example"),
            ("50%%@%h", "50%@box.shop.example"),
        ] {
            assert_eq!(named(name, "box.shop.example"), full, "{name}");
        }
        assert_eq!(named("w1@%d", "box"), "w1@");
    }

    #[test]
    fn files_are_named_after_the_node() {
        assert_eq!(in_path("/run/%n.pid", "w1@box.shop"), "/run/w1.pid");
        assert_eq!(in_path("/log/%n%I-%h-%p.log", "w1@box.shop"), "/log/w1-box.shop-w1@box.shop.log");
    }
}
