import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/** A section of deployment.md, without those below it. */
export function sectionOf (section: string): string {
  const page = readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8')
  const found = new RegExp(`^#+ ${section}$(?:(?!^#+ ).)*`, 'ms').exec(page)
  if (found === null) throw new Error(`no "${section}"`)
  return found[0]
}

/** The block of code in a language, with a word at its beginning, that a section of deployment.md shows. */
export function blockOf (section: string, word: string, language = 'yaml'): string {
  const block = new RegExp(`^\`\`\`${language}\\n(${word}\\b.*?)^\`\`\`$`, 'ms').exec(sectionOf(section))
  if (block === null) throw new Error(`no "${word}" in "${section}"`)
  return block[1]!
}
