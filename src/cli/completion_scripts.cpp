// SPDX-License-Identifier: Apache-2.0
// The scripts give the words up to the cursor to `PROGRAM __complete` and show what it answers.
#include "base/error.h"
#include "base/strings.h"
#include "cli/completion.h"

namespace berth::cli {

namespace {

// bash divides words at "=" and ":" too: they are put together again, and of an answer only what stands
// behind the last ":" of the word is given back.
constexpr std::string_view kBash = R"sh(# bash completion for @ -*- shell-script -*-

__@_complete() {
    local rest="${COMP_LINE:0:COMP_POINT}" words=() word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if [[ $i -eq 0 || $rest == [[:space:]]* ]]; then
            rest="${rest#"${rest%%[![:space:]]*}"}"
            words+=("")
        fi
        word="${COMP_WORDS[i]}"
        [[ $i -eq $COMP_CWORD ]] && word="$rest"
        words[${#words[@]}-1]+="$word"
        rest="${rest#"$word"}"
    done

    local answer directive
    answer="$("${words[0]}" __completeNoDesc "${words[@]:1}" 2>/dev/null)" || return
    directive="${answer##*:}"
    answer="${answer%:*}"

    local typed="${words[${#words[@]}-1]}" prefix=""
    [[ $typed == --*=* ]] && typed="${typed#*=}"
    [[ $typed == *:* && $COMP_WORDBREAKS == *:* ]] && prefix="${typed%"${typed##*:}"}"
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n $word ]] && COMPREPLY+=("${word#"$prefix"}")
    done <<<"$answer"
    if ((directive & 2)); then
        compopt -o nospace
    fi
    if ((directive & 16)); then
        compopt -o dirnames
    elif ((!(directive & 4))) && [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o default
    fi
}

complete -F __@_complete @
)sh";

constexpr std::string_view kZsh = R"sh(#compdef @
compdef __@_complete @

__@_complete() {
    local answer line directive=0
    local -a names described
    answer="$("${words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)" || return 1
    for line in "${(@f)answer}"; do
        if [[ "$line" == :<-> ]]; then
            directive="${line#:}"
        elif [[ -n "$line" ]]; then
            names+=("${line%%$'\t'*}")
            line="${line//:/\\:}"
            described+=("${line/$'\t'/:}")
        fi
    done
    [[ "$PREFIX" == --*=* ]] && compset -P '*='
    if ((directive & 16)); then
        _path_files -/
    elif ((${#described} > 0)); then
        _describe -V completions described
    elif ((!(directive & 4))); then
        _files
    fi
}

# compinit has this file as the body of _@ itself.
if [ "$funcstack[1]" = "_@" ]; then
    __@_complete
fi
)sh";

constexpr std::string_view kFish = R"sh(# fish completion for @

function __@_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l prefix (string match -r -- '^--[^=]*=' $typed)
    set -l directive 0
    set -l found 0
    for line in ($words[1] __complete $words[2..-1] "$typed" 2>/dev/null)
        if string match -qr '^:[0-9]+$' -- $line
            set directive (string sub -s 2 -- $line)
        else
            set found 1
            printf '%s%s\n' "$prefix" $line
        end
    end
    set -l path (string replace -- "$prefix" '' "$typed")
    if test (math "bitand($directive, 16)") -ne 0
        string replace -r -- '^' "$prefix" (__fish_complete_directories "$path")
    else if test $found -eq 0; and test (math "bitand($directive, 4)") -eq 0
        string replace -r -- '^' "$prefix" (__fish_complete_path "$path")
    end
end

complete -c @ -e
complete -c @ -f -a '(__@_complete)'
)sh";

// Shells before 7.3 lose an empty argument, unless it is quoted twice.
constexpr std::string_view kPowerShell = R"sh(# PowerShell completion for @

Register-ArgumentCompleter -Native -CommandName '@' -ScriptBlock {
    param($typed, $line, $cursor)

    [array]$words = $line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } |
        ForEach-Object { $_.Extent.Text }
    $program, $words = $words
    $last = $typed
    if (-not $typed -and (-not $PSNativeCommandArgumentPassing -or
            $PSNativeCommandArgumentPassing -eq 'Legacy')) {
        $last = '""'
    }
    $prefix = if ($typed -match '^--[^=]*=') { $Matches[0] } else { '' }
    $directive = 0
    $found = $false
    foreach ($each in & $program __complete $words $last 2>$null) {
        if ($each -match '^:(\d+)$') {
            $directive = [int]$Matches[1]
            continue
        }
        $found = $true
        $name, $about = $each -split "`t", 2
        if (-not $about) { $about = $name }
        [System.Management.Automation.CompletionResult]::new("$prefix$name", $name, 'ParameterValue', $about)
    }
    # Nothing at all would be taken for files.
    if (-not $found -and ($directive -band 4)) { '' }
}
)sh";

}  // namespace

std::string completion_script(std::string_view shell, std::string_view program, bool described) {
    std::string_view script = shell == "bash"         ? kBash
                              : shell == "zsh"        ? kZsh
                              : shell == "fish"       ? kFish
                              : shell == "powershell" ? kPowerShell
                                                      : std::string_view{};
    if (script.empty())
        throw make_error(ErrorKind::invalid_argument,
                         "there is no completion for {}: bash, fish, powershell and zsh have one",
                         quote(shell));
    std::string text;
    for (size_t at = 0; at < script.size(); ++at) {
        // "[@]" is bash's own.
        bool is_array = script[at] == '@' && (script[at - 1] == '[' || script[at - 1] == '(');
        if (script[at] == '@' && !is_array)
            text += program;
        else
            text += script[at];
    }
    constexpr std::string_view kDescribed = " __complete ";
    if (size_t at = text.find(kDescribed); !described && at != std::string::npos)
        text.replace(at, kDescribed.size(), " __completeNoDesc ");
    return text;
}

}  // namespace berth::cli
