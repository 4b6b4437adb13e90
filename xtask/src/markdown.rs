//! What a Markdown text holds that can be checked: fenced code blocks, and paths of files.

/// One fenced block.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// The first word after the fence: `json`, `sh`, `rust`.
    pub(crate) language: String,
    /// The line of the opening fence, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The blocks fenced by three or more backticks (CommonMark 0.31, section 4.5), in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (index, line) in markdown.lines().enumerate() {
        let trimmed = line.trim_start();
        let fence = trimmed.len() - trimmed.trim_start_matches('`').len();
        open = match open.take() {
            None if fence >= 3 => {
                let info = trimmed.trim_start_matches('`');
                let language = info.split([' ', ',']).next().unwrap_or_default().to_owned();
                Some((
                    fence,
                    Block {
                        language,
                        line: index + 1,
                        text: String::new(),
                    },
                ))
            }
            Some((opened, block)) if fence >= opened && trimmed.trim_end().len() == fence => {
                blocks.push(block);
                None
            }
            Some((opened, mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                Some((opened, block))
            }
            None => None,
        };
    }
    // A fence that is never closed reaches to the end.
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

/// The paths that a text names, each with its line: where its links lead, and code spans with a slash in
/// them. Addresses, and what only looks like a path, are the caller's to leave out.
pub(crate) fn paths(markdown: &str) -> Vec<(usize, &str)> {
    let mut paths = Vec::new();
    let mut fenced = false;
    for (index, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let links = line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            let links = links.map(|link| link.split('#').next().unwrap_or_default());
            let spans = line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|span| span.contains('/'));
            let found = links.chain(spans).filter(|path| !path.is_empty());
            paths.extend(found.map(|path| (index + 1, path)));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_language_line_and_text() {
        let text = "a\n```json\n{}\n```\n````sh x\n```\nls\n````\n```\nopen";
        let block = |language: &str, line, text: &str| Block {
            language: language.to_owned(),
            line,
            text: text.to_owned(),
        };
        let want = [
            block("json", 2, "{}\n"),
            block("sh", 5, "```\nls\n"),
            block("", 9, "open\n"),
        ];
        assert_eq!(blocks(text), want);
    }

    #[test]
    fn paths_are_link_targets_and_code_spans_with_a_slash() {
        let text = "[a](docs/a.md#b) and [c](#d), `core/src` `x` or\n```\n[e](f)\n```\n`a`/`b/c`";
        assert_eq!(paths(text), [(1, "docs/a.md"), (1, "core/src"), (5, "b/c")]);
    }
}
