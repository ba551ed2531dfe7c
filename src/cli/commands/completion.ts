/** `completion bash|zsh|fish`: made from the command rows, so that it cannot be out of date. */
import { CLIENT_COMMANDS, GLOBAL_OPTIONS } from '../commandTree.ts'
import { usage } from '../errors.ts'
import type { Run } from '../invocation.ts'
import { operatorCommands } from '../operatorTree.ts'

/** `task push-config` → what may stand behind it; `''` is the beginning. */
function words(): Map<string, string[]> {
  const after = new Map<string, string[]>()
  const add = (before: string, word: string) => {
    const known = after.get(before) ?? []
    if (!known.includes(word)) after.set(before, [...known, word])
  }
  for (const { path, options = [] } of [...CLIENT_COMMANDS, ...operatorCommands()]) {
    const parts = path.split(' ')
    for (const [at, word] of parts.entries()) add(parts.slice(0, at).join(' '), word)
    for (const [flags, , how] of [...options, ...GLOBAL_OPTIONS]) {
      const long = flags.match(/--[a-z0-9-]+/)?.[0]
      if (long && how !== 'hidden') add(path, long)
    }
  }
  return after
}

const bash = (): string => {
  const cases = [...words()].map(([before, next]) => `    "${before}") words="${next.join(' ')}" ;;`)
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

const zsh = (): string => `#compdef waypost
autoload -U +X bashcompinit && bashcompinit
${bash()}`

const fish = (): string =>
  [...words()]
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

const SHELLS: Readonly<Record<string, () => string>> = { bash, zsh, fish }

export const completion: Run = async (call) => {
  const shell = SHELLS[call.args[0] as string]
  if (!shell) throw usage(`there is no completion for ${call.args[0]}`, 'bash, zsh or fish')
  if (call.out.json) call.out.document({ shell: call.args[0], script: shell() })
  else call.out.text(shell())
  return 0
}
