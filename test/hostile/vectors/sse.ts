/**
 * Event streams and the data that a reader must find in them: the examples of the HTML standard (§9.2.6) and, after them
 * and after the cases of the web platform tests' `eventsource/format-*`, our own. Events without data are passed over.
 */
const long = 'x'.repeat(1_024)

export const STREAMS: readonly (readonly [name: string, stream: string | Buffer, data: readonly string[]])[] = [
  ['the standard’s first', 'data: YHOO\ndata: +2\ndata: 10\n\n', ['YHOO\n+2\n10']],
  [
    'the standard’s second',
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    ['first event', 'second event', ' third event'],
  ],
  ['the standard’s third', 'data\n\ndata\ndata\n\ndata:', ['\n']],
  ['the standard’s fourth', 'data:test\n\ndata: test\n\n', ['test', 'test']],
  ['a byte order mark', '\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n', ['1', '3']],
  ['two byte order marks', '\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n', ['2', '3']],
  ['comments', `data:1\r:\0\n:\r\ndata:2\n:${long}\rdata:3\n:data:fail\r:${long}\ndata:4\n\n`, ['1\n2\n3\n4']],
  ['no empty line at the end', 'retry:1000\ndata:test1\n\nid:test\ndata:test2', ['test1']],
  ['data', 'data:\n\ndata\ndata\n\ndata:test\n\n', ['\n', 'test']],
  ['names of events', 'event:test\ndata:x\n\nevent: \ndata:y\n\n', ['x', 'y']],
  ['ids', 'id: 1\ndata:1\n\nid\ndata:2\n\nid:a\0b\ndata:3\n\n', ['1', '2', '3']],
  [
    'fields that look like data',
    'data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n',
    ['\0\n 2\n1\n3\n\n4'],
  ],
  ['retry', 'retry:3000\nretry:1000x\nretry\nretry:\ndata:x\n\n', ['x']],
  [
    'unknown fields',
    'data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n',
    ['test\n\ntest'],
  ],
  ['a leading space', 'data:\ttest\rdata: \ndata:test\n\n', ['\ttest\n\ntest']],
  ['line ends of three kinds', 'data:test\r\ndata\ndata:test\r\n\r', ['test\n\ntest']],
  ['NUL', 'data:\0\n\n\n\n', ['\0']],
  ['UTF-8', 'data:ok…\u{1f600}\n\n', ['ok…\u{1f600}']],
  ['what is not UTF-8', Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xc3, 0x0a, 0x0a]), ['\ufffd\ufffd']],
  [
    'separators that are no line ends',
    'data:a\u2028b\u2029c\u0085d\x0be\x0cf\n\n',
    ['a\u2028b\u2029c\u0085d\x0be\x0cf'],
  ],
  ['a colon in the data', 'data:a:b\ndata: : \n\n', ['a:b\n: ']],
  ['nothing', '', []],
  ['only line ends', '\r\n\r\n\n\r\r', []],
]
