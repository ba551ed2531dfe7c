/** The protocol version that the command line speaks and says with every request (A2A §3.6.1). */
export const A2A_VERSION = '1.0'

/** Whether an interface of a card can be spoken to. Older agents are reached through the gateway, which translates. */
export const speaks = (protocolVersion: string): boolean => /^1(\.|$)/.test(protocolVersion)
