/** `completion bash|zsh|fish`: made from the command rows, so that it cannot be out of date. */
import type { CommandRow, OptionRow } from '../commandRow.ts'
import { usage } from '../errors.ts'
import type { Run } from '../invocation.ts'

type Words = ReadonlyMap<string, readonly string[]>

/** `task push-config` → what may stand behind it; `''` is the beginning. */
function wordsOf(rows: readonly CommandRow[], everywhere: readonly OptionRow[]): Words {
  const after = new Map<string, string[]>()
  const add = (before: string, word: string) => {
    const known = after.get(before) ?? []
    if (!known.includes(word)) after.set(before, [...known, word])
  }
  for (const { path, options = [] } of rows) {
    const parts = path.split(' ')
    for (const [at, word] of parts.entries()) add(parts.slice(0, at).join(' '), word)
    for (const [flags, , how] of [...options, ...everywhere]) {
      const long = flags.match(/--[a-z0-9-]+/)?.[0]
      if (long && how !== 'hidden') add(path, long)
    }
  }
  return after
}

const bash = (words: Words): string => {
  const cases = [...words].map(([before, next]) => `    "${before}") words="${next.join(' ')}" ;;`)
  return `_waypost() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases.map((line) => `  ${line}`).join('\n')}
    esac
    [ -n "$words" ] || [ -z "$path" ] && break
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _waypost waypost ./waypost`
}

const zsh = (words: Words): string => `#compdef waypost
autoload -U +X bashcompinit && bashcompinit
${bash(words)}`

const fish = (words: Words): string =>
  [...words]
    .map(([before, next]) => {
      const seen =
        before === ''
          ? '__fish_use_subcommand'
          : before
              .split(' ')
              .map((word) => `__fish_seen_subcommand_from ${word}`)
              .join('; and ')
      const options = next
        .filter((word) => word.startsWith('--'))
        .map((word) => `complete -c waypost -n '${seen}' -l ${word.slice(2)}`)
      const commands = next.filter((word) => !word.startsWith('--'))
      return [
        ...(commands.length > 0 ? [`complete -c waypost -f -n '${seen}' -a '${commands.join(' ')}'`] : []),
        ...options,
      ].join('\n')
    })
    .join('\n')

const SHELLS: Readonly<Record<string, (words: Words) => string>> = { bash, zsh, fish }

export const completionOf =
  (rows: readonly CommandRow[], everywhere: readonly OptionRow[]): Run =>
  async (call) => {
    const shell = SHELLS[call.args[0] as string]
    if (!shell) throw usage(`there is no completion for ${call.args[0]}`, 'bash, zsh or fish')
    const script = shell(wordsOf(rows, everywhere))
    if (call.out.json) call.out.document({ shell: call.args[0], script })
    else call.out.text(script)
    return 0
  }
