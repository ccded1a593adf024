package dev.hydrallm.charts;

import java.util.List;

/** A page in one file: headings, paragraphs, tables and charts one below the other, light or dark as the reader likes it. */
public final class Page {
    private static final String HEAD = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <title>TITLE</title>
            <style>
            :root{color-scheme:light dark;--page:#fff;--ink:#1f2328;--soft:#59636e;--rule:#d8dee4;--tint:#f6f8fa}
            @media (prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--soft:#9da7b3;--rule:#30363d;--tint:#161b22}}
            body{margin:0 auto;padding:32px 20px 64px;max-width:1120px;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
            h1{font-size:28px;line-height:1.25;margin:0 0 4px}h2{font-size:20px;margin:40px 0 8px}p{max-width:75ch}
            .soft{color:var(--soft)}code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--tint);border-radius:4px}code{padding:1px 4px}pre{padding:12px;overflow-x:auto}
            .scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px;margin:12px 0}
            th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
            .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px;margin:16px 0}
            figure{margin:0;padding:8px;border:1px solid var(--rule);border-radius:8px;overflow-x:auto}figure svg{display:block;width:100%}
            </style>
            </head>
            <body>
            """;

    private final StringBuilder text = new StringBuilder();

    /** A page that begins with its title. */
    public Page(String title) {
        text.append(HEAD.replace("TITLE", escaped(title)));
        text.append("<h1>").append(escaped(title)).append("</h1>\n");
    }

    /** Begins a section. */
    public Page section(String heading) {
        text.append("<h2>").append(escaped(heading)).append("</h2>\n");
        return this;
    }

    public Page paragraph(String words) {
        text.append("<p>").append(escaped(words)).append("</p>\n");
        return this;
    }

    /** Something beside the matter, in a softer colour. */
    public Page note(String words) {
        text.append("<p class=\"soft\">").append(escaped(words)).append("</p>\n");
        return this;
    }

    /** Lines as they are: a command. */
    public Page code(String lines) {
        text.append("<pre>").append(escaped(lines)).append("</pre>\n");
        return this;
    }

    /** A table whose first column is names and whose others are numbers. */
    public Page table(List<String> head, List<List<String>> rows) {
        text.append("<div class=\"scroll\"><table>\n<thead>");
        row("th", head);
        text.append("</thead>\n<tbody>\n");
        rows.forEach(row -> row("td", row));
        text.append("</tbody>\n</table></div>\n");
        return this;
    }

    private void row(String cell, List<String> values) {
        text.append("<tr>");
        values.forEach(value -> text.append('<')
                .append(cell)
                .append('>')
                .append(escaped(value))
                .append("</")
                .append(cell)
                .append('>'));
        text.append("</tr>\n");
    }

    /** Charts side by side where there is room: {@code <svg>} elements. */
    public Page charts(List<String> svgs) {
        text.append("<div class=\"charts\">\n");
        svgs.forEach(svg -> text.append("<figure>\n").append(svg).append("</figure>\n"));
        text.append("</div>\n");
        return this;
    }

    /** Markup of the caller's own. */
    public Page markup(String html) {
        text.append(html);
        return this;
    }

    /** Text as markup that shows it. */
    public static String escaped(String words) {
        return Frame.escaped(words);
    }

    /** All of it. */
    public String html() {
        return text + "</body>\n</html>\n";
    }
}
