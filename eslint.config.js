import neostandard from 'neostandard'

const FRAMEWORK = 'The core knows no framework: hand it in.'

/** Which way imports may go; CONTRIBUTING.md says why. */
function forbid (files, patterns) {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.tap/**', 'bench/results/**'] }),
  {
    rules: {
      '@stylistic/max-len': ['error', { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }]
    }
  },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      'no-console': 'error',
      // A constant and the type of its values may share a name.
      '@typescript-eslint/no-redeclare': 'off'
    }
  },
  forbid(['src/core/**'], [
    { regex: '^(?!\\./|node:)', message: FRAMEWORK }
  ]),
  forbid(['src/client/**'], [
    { regex: '^(?!\\./)', message: 'The client runs anywhere, and is read on its own: it imports nothing.' }
  ]),
  forbid(['src/browser/**'], [
    { regex: '^(?!\\.\\.?/)|/(core|backplane|plugins|routes)/', message: 'Pages build on the client alone.' }
  ]),
  forbid(['src/backplane/**'], [
    { regex: '/(plugins|routes)/|/(api|app|parts|options|read-options|server|create-server|command-line|logging)\\.js$|^(fastify|@fastify/|ws$|pino)', message: 'Backplanes build on the core alone.' }
  ]),
  forbid(['plugins/**'], [
    { regex: '/routes/|^\\.\\./src/(?!core/|backplane/)', message: 'Plugins build on the core, backplanes and packages.' }
  ]),
  forbid(['routes/**'], [
    { regex: '/plugins/|^(\\.\\./)+src/(?!core/)', message: 'Routes use decorators and types of the core.' }
  ])
]
