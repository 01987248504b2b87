/* html -- the few pieces of HTML that a page is made of.
 *
 * Every text that comes from a file, a run or the command line goes through html_text: nothing of
 * it is taken for markup. */
#ifndef SEQLAB_REPORT_HTML_H
#define SEQLAB_REPORT_HTML_H

#include "base/text.h"

/* Appends the text with & < > " ' as entities; control characters become blanks. */
void html_text(Text *out, const char *s);
/* `open` and `close` are markup: "<td>", "</td>". */
void html_element(Text *out, const char *open, const char *text, const char *close);
/* <p> for each part of the text that a blank line ends; `code` spans of Markdown become <code>. */
void html_paragraphs(Text *out, const char *text);

/* The style of the report's page, light and dark, screen and print. */
extern const char report_css[];

#endif
