/* complete_bash -- completion for bash: the words of the tables, and a fixed part that offers them.
 */
#include "cmd/complete.h"

#include <string.h>

/* The fixed part. Words are split at blanks, not at bash's COMP_WORDBREAKS, so that key=value is
 * one; what is offered is cut again where bash believes that a word begins. */
// clang-format off
static const char script[] =
    "# Offers the words of \"$1\" that go on from $cur; $2 goes before each.\n"
    "_seqlab_offer() {\n"
    "    local word\n"
    "    for word in $1; do\n"
    "        [[ $2$word == \"$cur\"* ]] && COMPREPLY+=(\"$2$word\")\n"
    "    done\n"
    "}\n"
    "\n"
    "# Files with one of the endings \"$1\" (none: any), and folders; $2 goes before each.\n"
    "_seqlab_offer_files() {\n"
    "    local path at=${cur#\"$2\"} ending\n"
    "    at=${at/#\\~\\//$HOME/}\n"
    "    for path in \"$at\"*; do\n"
    "        if [[ -d $path ]]; then\n"
    "            COMPREPLY+=(\"$2$path/\")\n"
    "        elif [[ -e $path && $1 != @folder ]]; then\n"
    "            for ending in ${1:-''}; do [[ $path == *\"$ending\" ]] && COMPREPLY+=(\"$2$path\"); done\n"
    "            [[ -z $1 ]] && COMPREPLY+=(\"$2$path\")\n"
    "        fi\n"
    "    done\n"
    "}\n"
    "\n"
    "# Ids below the results folder that the line names.\n"
    "_seqlab_offer_runs() {\n"
    "    local path results=results i\n"
    "    for ((i = 2; i < ${#typed[@]}; i++)); do\n"
    "        case ${typed[i]} in\n"
    "        --results=*) results=${typed[i]#*=} ;;\n"
    "        --results) results=${typed[i + 1]-results} ;;\n"
    "        esac\n"
    "    done\n"
    "    for path in \"$results\"/*/\"$cur\"* \"$results\"/*/*/\"$cur\"* \"$results\"/*/*/*/\"$cur\"*; do\n"
    "        [[ ${path##*/} =~ ^[0-9a-f]{12}$ ]] && COMPREPLY+=(\"${path##*/}\")\n"
    "    done\n"
    "}\n"
    "\n"
    "# key=value: blocks, then their keys, then values. sweep.KEY is any key; a method has any number.\n"
    "_seqlab_offer_keys() {\n"
    "    local lead='' key=$cur last='' number word\n"
    "    [[ $key == sweep.* ]] && lead=sweep. key=${key#sweep.}\n"
    "    number=${key#methods.} number=${number%%.*}\n"
    "    if [[ $key == *=* ]]; then\n"
    "        key=${key%%=*}\n"
    "        [[ $key == methods.[0-9]* ]] && _seqlab_values \"methods.0.${key#methods.*.}\" || _seqlab_values \"$key\"\n"
    "        _seqlab_offer \"$REPLY\" \"${cur%%=*}=\"\n"
    "        return\n"
    "    fi\n"
    "    for word in $_seqlab_keys; do\n"
    "        [[ $key == methods.[0-9]*.* && $word == methods.0.* ]] && word=methods.$number.${word#methods.0.}\n"
    "        if [[ $key == *.* ]]; then\n"
    "            word=$word=\n"
    "        elif [[ $word != *.* ]]; then\n"
    "            [[ $_seqlab_keys == *\" $word.\"* ]] && continue\n"
    "            word=$word=\n"
    "        else\n"
    "            word=${word%%.*}.\n"
    "        fi\n"
    "        [[ $lead$word == \"$cur\"* && $lead$word != \"$last\" ]] || continue\n"
    "        last=$lead$word\n"
    "        COMPREPLY+=(\"$last\")\n"
    "    done\n"
    "}\n"
    "\n"
    "_seqlab_offer_kinds() {\n"
    "    local kind\n"
    "    for kind in $1; do\n"
    "        case $kind in\n"
    "        @file) _seqlab_offer_files '.yaml .yml' '' ;;\n"
    "        @run) _seqlab_offer_runs ;;\n"
    "        @key | @where) _seqlab_offer_keys ;;\n"
    "        @command) _seqlab_offer \"$_seqlab_commands\" '' ;;\n"
    "        @help) _seqlab_offer \"$_seqlab_keys\" '' ;;\n"
    "        @name)\n"
    "            if [[ $command == list ]]; then\n"
    "                _seqlab_offer \"$_seqlab_names\" ''\n"
    "            else\n"
    "                local recipe\n"
    "                for recipe in \"${SEQLAB_DATA:-data}\"/*.yaml; do\n"
    "                    recipe=${recipe##*/}\n"
    "                    _seqlab_offer \"${recipe%.yaml}\" ''\n"
    "                done\n"
    "            fi ;;\n"
    "        *) _seqlab_offer \"$kind\" '' ;;\n"
    "        esac\n"
    "    done\n"
    "}\n"
    "\n"
    "# The value of a flag, whose form _seqlab_flag_value has put into REPLY; $1 goes before it.\n"
    "_seqlab_offer_value() {\n"
    "    case $REPLY in\n"
    "    @file*) _seqlab_offer_files \"${REPLY#@file}\" \"$1\" ;;\n"
    "    @folder) _seqlab_offer_files @folder \"$1\" ;;\n"
    "    *) _seqlab_offer \"$REPLY\" \"$1\" ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_seqlab() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} cur command flags first rest REPLY i n=0\n"
    "    local -a typed\n"
    "    cur=${line##*[[:blank:]]}\n"
    "    read -ra typed <<<\"${line%\"$cur\"}\"\n"
    "    COMPREPLY=()\n"
    "    command=${typed[1]-}\n"
    "    if [[ -z $command ]]; then\n"
    "        _seqlab_offer \"$_seqlab_commands --help --version\" ''\n"
    "        return\n"
    "    fi\n"
    "    _seqlab_command \"$command\" || return\n"
    "    for ((i = 2; i < ${#typed[@]}; i++)); do\n"
    "        case ${typed[i]} in\n"
    "        --*=*) ;;\n"
    "        -*) _seqlab_flag_value \"$command\" \"${typed[i]}\" && ((i++)) ;;\n"
    "        *) ((n++)) ;;\n"
    "        esac\n"
    "    done\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        _seqlab_flag_value \"$command\" \"${cur%%=*}\" && _seqlab_offer_value \"${cur%%=*}=\"\n"
    "    elif ((${#typed[@]} > 2)) && _seqlab_flag_value \"$command\" \"${typed[-1]}\"; then\n"
    "        _seqlab_offer_value ''\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        _seqlab_offer \"$flags\" ''\n"
    "    elif ((n == 0)); then\n"
    "        _seqlab_offer_kinds \"$first\"\n"
    "    else\n"
    "        _seqlab_offer_kinds \"$rest\"\n"
    "    fi\n"
    "    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=./] ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "    if [[ $cur == *[=:]* && $COMP_WORDBREAKS == *=* ]]; then\n"
    "        COMPREPLY=(\"${COMPREPLY[@]#\"${cur%\"${cur##*[=:]}\"}\"}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _seqlab seqlab\n";
// clang-format on

/* "a|b|c" with blanks. */
static void add_choices(Text *out, const char *choices)
{
    char one[2] = "";
    for (const char *at = choices; *at; at++) {
        one[0] = *at;
        text_add(out, *at == '|' ? " " : one);
    }
}

/* What a flag's value is: its choices, a file with the ending that help names, a folder, or free.
 */
static void add_form(Text *out, const FlagRow *f)
{
    const char *dot = strrchr(f->value, '.');
    if (f->is_choice)
        add_choices(out, f->value);
    else if (strcmp(f->value, "DIR") == 0)
        text_add(out, "@folder");
    else if (strcmp(f->value, "FILE") == 0 || (*f->value == 'X' && dot))
        text_addf(out, "@file%s", dot ? dot : "");
}

static void add_commands(Text *out, Arena *a)
{
    const char *first, *rest;
    FlagRow f;
    text_add(out, "_seqlab_command() {\n    case $1 in\n");
    for (int i = 0; command_at(i); i++) {
        const Command *c = command_at(i);
        complete_words(c, a, &first, &rest);
        text_addf(out, "    %s)\n        first='%s' rest='%s'\n        flags='", c->name, first,
                  rest);
        for (int k = 0; flags_at(c->flags, k, &f); k++) {
            if (f.letter) text_addf(out, "-%c ", f.letter);
            text_addf(out, "--%s%s ", f.name, f.value ? "=" : "");
        }
        text_add(out, "' ;;\n");
    }
    text_add(out, "    *) return 1 ;;\n    esac\n}\n\n");
}

static void add_flag_values(Text *out)
{
    FlagRow f;
    text_add(out, "# False when flag $2 of command $1 takes no value.\n"
                  "_seqlab_flag_value() {\n    case \"$1 $2\" in\n");
    for (int i = 0; command_at(i); i++) {
        const Command *c = command_at(i);
        for (int k = 0; flags_at(c->flags, k, &f); k++) {
            if (!f.value) continue;
            text_addf(out, "    '%s --%s'", c->name, f.name);
            if (f.letter) text_addf(out, " | '%s -%c'", c->name, f.letter);
            text_add(out, ") REPLY='");
            add_form(out, &f);
            text_add(out, "' ;;\n");
        }
    }
    text_add(out, "    *) return 1 ;;\n    esac\n}\n\n");
}

static void add_key_values(Text *out, Arena *a)
{
    int n;
    const KeyWord *keys = complete_keys(a, &n);
    text_add(out, "_seqlab_keys='");
    for (int i = 0; i < n; i++) text_addf(out, "%s%s", i ? " " : "", keys[i].key);
    text_add(out, "'\n\n_seqlab_values() {\n    case $1 in\n");
    for (int i = 0; i < n; i++) {
        if (!keys[i].values) continue;
        text_addf(out, "    %s) REPLY='", keys[i].key);
        add_choices(out, keys[i].values);
        text_add(out, "' ;;\n");
    }
    text_add(out, "    *) REPLY='' ;;\n    esac\n}\n\n");
}

void complete_bash(Text *out, Arena *a)
{
    text_add(out, "# Completion of seqlab " SEQLAB_VERSION " for bash, written by 'seqlab help "
                  "--format=bash'.\n\n_seqlab_commands='");
    for (int i = 0; command_at(i); i++) text_addf(out, "%s%s", i ? " " : "", command_at(i)->name);
    text_addf(out, "'\n_seqlab_names='%s'\n", complete_list_names(a));
    add_key_values(out, a);
    add_commands(out, a);
    add_flag_values(out);
    text_add(out, script);
}
