/** Vitest's cases as one JSON list: file, the titles above, title, state, and why one was skipped. For conformance.mjs. */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'

function titlesAbove(test) {
  const titles = []
  for (let at = test.parent; at && at.type === 'suite'; at = at.parent) titles.unshift(at.name)
  return titles
}

// biome-ignore lint/style/noDefaultExport: Vitest takes a reporter by its default export
export default class CasesReporter {
  cases = []

  onTestCaseResult(test) {
    const { state, note, errors } = test.result()
    this.cases.push({
      file: relative(process.cwd(), test.module.moduleId),
      above: titlesAbove(test),
      title: test.name,
      state,
      note: note ?? errors?.[0]?.message.split('\n')[0] ?? '',
    })
  }

  onTestRunEnd(modules, errors) {
    // A file that does not even load has no cases, and must not look like one that is well.
    for (const module of modules)
      if (module.errors().length > 0 || !module.ok())
        for (const { message } of module.errors())
          this.cases.push({
            file: relative(process.cwd(), module.moduleId),
            above: [],
            title: message,
            state: 'failed',
            note: '',
          })
    for (const { message } of errors)
      this.cases.push({ file: '', above: [], title: message, state: 'failed', note: '' })
    writeFileSync(process.env.CONFORMANCE_CASES, JSON.stringify(this.cases))
  }
}
