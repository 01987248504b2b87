/* complete_zsh -- completion for zsh: _arguments does the flags, a fixed part the words. */
#include "cmd/complete.h"

#include <string.h>

// clang-format off
static const char script[] =
    "# Words of a command: $@ are the kinds that its usage names.\n"
    "_seqlab_words() {\n"
    "    local kind key results=results i\n"
    "    local -a found\n"
    "    for ((i = 2; i <= $#words; i++)); do\n"
    "        case $words[i] in\n"
    "        --results=*) results=${words[i]#*=} ;;\n"
    "        --results) results=${words[i+1]-results} ;;\n"
    "        esac\n"
    "    done\n"
    "    if compset -P '*='; then\n"
    "        key=${${IPREFIX%=}#sweep.}\n"
    "        [[ $key == methods.[0-9]##.* ]] && key=methods.0.${key#methods.*.}\n"
    "        compadd -- ${(s: :)_seqlab_values[$key]}\n"
    "        return\n"
    "    fi\n"
    "    for kind in $@; do\n"
    "        case $kind in\n"
    "        @file) _files -g '*.(yaml|yml)' ;;\n"
    "        @run)\n"
    "            found=($results/(*/)##[0-9a-f](#c12)(N/:t))\n"
    "            compadd -- $found ;;\n"
    "        @key | @where)\n"
    "            found=($_seqlab_keys)\n"
    "            if [[ $PREFIX == methods.[0-9]##.* ]]; then\n"
    "                i=${${PREFIX#methods.}%%.*}\n"
    "                found=(${found/#methods.0./methods.$i.})\n"
    "            fi\n"
    "            [[ $PREFIX == sweep.* ]] && found=(sweep.$^found)\n"
    "            compadd -S = -- $found ;;\n"
    "        @command) compadd -- $_seqlab_commands ;;\n"
    "        @help) compadd -- $_seqlab_keys ;;\n"
    "        @name)\n"
    "            if [[ $command == list ]]; then\n"
    "                compadd -- $_seqlab_names\n"
    "            else\n"
    "                compadd -- ${SEQLAB_DATA:-data}/*.yaml(N:t:r)\n"
    "            fi ;;\n"
    "        *) compadd -- $kind ;;\n"
    "        esac\n"
    "    done\n"
    "}\n"
    "\n"
    "_seqlab() {\n"
    "    local command=$words[2]\n"
    "    if ((CURRENT == 2)); then\n"
    "        _describe -t commands command _seqlab_summaries\n"
    "        [[ $PREFIX == -* ]] && compadd -- --help --version\n"
    "        return\n"
    "    fi\n"
    "    shift words\n"
    "    ((CURRENT--))\n"
    "    _seqlab_command\n"
    "}\n"
    "\n"
    "_seqlab \"$@\"\n";
// clang-format on

/* In single quotes; `marks` are escaped for _arguments or _describe. */
static void add_quoted(Text *out, const char *s, const char *marks)
{
    char one[2] = "";
    for (; *s; s++) {
        one[0] = *s;
        if (strchr(marks, *s)) text_add(out, "\\");
        text_add(out, *s == '\'' ? "'\\''" : one);
    }
}

static void add_value(Text *out, const FlagRow *f)
{
    const char *dot = strrchr(f->value, '.');
    text_add(out, ":");
    add_quoted(out, f->is_choice ? f->name : f->value, ":");
    text_add(out, ":");
    if (f->is_choice) {
        text_add(out, "(");
        char one[2] = "";
        for (const char *at = f->value; *at; at++) {
            one[0] = *at;
            text_add(out, *at == '|' ? " " : one);
        }
        text_add(out, ")");
    } else if (strcmp(f->value, "DIR") == 0) {
        text_add(out, "_files -/");
    } else if (strcmp(f->value, "FILE") == 0 || (*f->value == 'X' && dot)) {
        text_addf(out, dot ? "_files -g \"*%s\"" : "_files%s", dot ? dot : "");
    } else {
        text_add(out, " ");
    }
}

/* '(-q --quiet)'{-q,--quiet}'[help]' or '--results=[help]:DIR:_files -/' */
static void add_flag(Text *out, const FlagRow *f)
{
    text_add(out, " \\\n            ");
    if (f->letter)
        text_addf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", f->letter, f->name, f->letter,
                  f->value ? "+" : "", f->name, f->value ? "=" : "");
    else
        text_addf(out, "'--%s%s[", f->name, f->value ? "=" : "");
    add_quoted(out, f->help, "[]:");
    text_add(out, "]");
    if (f->value) add_value(out, f);
    text_add(out, "'");
}

static void add_commands(Text *out, Arena *a)
{
    const char *first, *rest;
    FlagRow f;
    text_add(out, "_seqlab_command() {\n    case $command in\n");
    for (int i = 0; command_at(i); i++) {
        const Command *c = command_at(i);
        complete_words(c, a, &first, &rest);
        text_addf(out, "    %s)\n        _arguments -s -S", c->name);
        for (int k = 0; flags_at(c->flags, k, &f); k++) add_flag(out, &f);
        if (*first) text_addf(out, " \\\n            '1:word: _seqlab_words %s'", first);
        if (*rest) text_addf(out, " \\\n            '*:word: _seqlab_words %s'", rest);
        text_add(out, " ;;\n");
    }
    text_add(out, "    esac\n}\n\n");
}

static void add_keys(Text *out, Arena *a)
{
    int n;
    const KeyWord *keys = complete_keys(a, &n);
    text_add(out, "typeset -ga _seqlab_keys=(");
    for (int i = 0; i < n; i++) text_addf(out, "%s%s", i ? " " : "", keys[i].key);
    text_add(out, ")\ntypeset -gA _seqlab_values=(");
    for (int i = 0; i < n; i++) {
        char one[2] = "";
        if (!keys[i].values) continue;
        text_addf(out, "\n    %s '", keys[i].key);
        for (const char *at = keys[i].values; *at; at++) {
            one[0] = *at;
            text_add(out, *at == '|' ? " " : one);
        }
        text_add(out, "'");
    }
    text_add(out, ")\n\n");
}

void complete_zsh(Text *out, Arena *a)
{
    text_add(out, "#compdef seqlab\n# Completion of seqlab " SEQLAB_VERSION
                  " for zsh, written by 'seqlab help --format=zsh'.\n\n"
                  "typeset -ga _seqlab_commands=(");
    for (int i = 0; command_at(i); i++) text_addf(out, "%s%s", i ? " " : "", command_at(i)->name);
    text_add(out, ")\ntypeset -ga _seqlab_summaries=(");
    for (int i = 0; command_at(i); i++) {
        text_addf(out, "\n    '%s:", command_at(i)->name);
        add_quoted(out, command_at(i)->summary, ":");
        text_add(out, "'");
    }
    text_addf(out, ")\ntypeset -ga _seqlab_names=(%s)\n", complete_list_names(a));
    add_keys(out, a);
    add_commands(out, a);
    text_add(out, script);
}
