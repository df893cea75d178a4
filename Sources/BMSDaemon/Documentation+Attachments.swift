// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Attachments
internal import Policies

extension Documentation {
  /// `etc/attachment.txt`: what stands in the place of an attachment where the administrator has no
  /// text of his own.
  package static var attachmentNotice: String { DefangOptions.standardNotice }

  /// A chapter of bms.conf(5), in mdoc.
  static let dangerousAttachments: [String] =
    [
      ".Sh DANGEROUS ATTACHMENTS",
      "A file is dangerous by the end of its name, because that decides which program opens it.",
      "Every name that some mail program could use counts: all parameters of Content-Type and",
      "Content-Disposition, the last part of Content-Location, the",
      ".Ql begin",
      "line of uuencoded data, the names in zip archives and in archives in them, and, where there",
      "is no other, Content-Description and Content-ID without an @.",
      "Names are decoded, and what hides their end is taken off: dots and spaces behind it,",
      "characters that cannot be seen or that turn the direction of writing, full-width letters,",
      "alternate data streams.",
      "Where programs can read a message differently, every reading is looked into.",
      ".Pp",
      "These are not names:",
      ".Bl -bullet -compact",
      ".It",
      "a Content-Description of more than one word, of the text that is shown as the message",
      ".Pq Ql Introduction to Node.js ;",
      "of any other part it is one, as some mail programs make it one",
      ".It",
      "the Content-ID of a picture that is not called an attachment",
      ".Pq Ql <header.img>",
      ".It",
      "a Content-Location that ends as pages of servers do:",
      ".Ql picture.aspx?id=3",
      ".It",
      ".Ql begin",
      "and two blanks, where no line of uuencoded data follows",
      ".It",
      "scripts",
      ".Pq Pa .js",
      "in a book: an EPUB by all its names",
      ".Pq Pa .epub ,",
      "by its type",
      ".Pq Ql application/epub+zip No or Ql application/octet-stream",
      "and by the member",
      ".Pa mimetype",
      "at its start, without an archive in it. Any other file that is not let in counts there too.",
      ".El",
      ".Pp",
      "The default list of",
      ".Ic banned_exts",
      "is",
      BannedExtensions.standard.sorted().joined(separator: ", ") + ".",
      ".Pp",
      "An archive that is called one and cannot be opened is dangerous, and so is one that holds a",
      "name that cannot be read.",
      "What a limit of",
      ".Ic [defang]",
      "keeps from being inspected is dangerous as well: no ordinary mail has a thousand names for a",
      "part or ten thousand parts, and one that is padded so hides something.",
      "Only archives deeper than",
      ".Ic archive_depth ,",
      "each of which the recipient has to open, and the header of the message itself, of which an MTA",
      "allows less, meet",
      ".Ic uninspected .",
      ".Pp",
      "What takes the place of a dangerous part says what was there, why it went and what to ask for.",
      "The text can be changed: copy",
      ".Pa /usr/share/doc/bmsd/examples/attachment.txt",
      "to",
      ".Pa \(DefangOptions.noticePath) .",
      "These words are filled in:",
      ".Bl -tag -width Ds",
    ]
    + DefangOptions.noticeVariables.flatMap { [".It Ic {\($0.name)}", $0.meaning] }
    + [
      ".El",
      ".Pp",
      "The original is kept, and",
      ".Ql bmsd quarantine release",
      "delivers it.",
    ]
}
