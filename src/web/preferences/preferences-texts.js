// What the preferences page says, in the languages that the bell speaks.

const en = {
  direction: "ltr",
  title: "What you get by mail",
  lead: "Your open devices are always told. Mail comes where none of them confirmed in time.",
  loading: "Loading …",
  again: "Try again",
  where: "Where to",
  email: "E-mail address",
  emailHint: "Empty: the address that your account has.",
  noAddress: "This is no e-mail address.",
  which: "Which notifications",
  save: "Save",
  saved: "Saved.",
  goesTo: (address) => `Mail goes to ${address}.`,
  cameWith: (category) => `You came from a mail about: ${category}.`,
  stop: (category) => `No more mail about: ${category}`,
  failed: "That did not work",
  unreachable: "The server cannot be reached.",
  unknown: "The server gave no answer, so it is not known whether this was saved.",
  link_invalid: "This link does not open anything",
  link_expired: "This link is too old",
  linkHelp: "Open the page again from the bell, or from a newer mail.",
  categories: { bookings: "Bookings", reviews: "Reviews", jobs: "Jobs nearby", social: "Likes and comments", system: "System messages", general: "Everything else" },
};

const de = {
  direction: "ltr",
  title: "Was Sie per E-Mail bekommen",
  lead: "Ihre offenen Geräte erfahren immer alles. Eine E-Mail kommt, wenn keines davon rechtzeitig bestätigt.",
  loading: "Wird geladen …",
  again: "Noch einmal versuchen",
  where: "Wohin",
  email: "E-Mail-Adresse",
  emailHint: "Leer: die Adresse Ihres Kontos.",
  noAddress: "Das ist keine E-Mail-Adresse.",
  which: "Welche Benachrichtigungen",
  save: "Speichern",
  saved: "Gespeichert.",
  goesTo: (address) => `E-Mails gehen an ${address}.`,
  cameWith: (category) => `Sie kommen von einer E-Mail zum Thema: ${category}.`,
  stop: (category) => `Keine E-Mails mehr zum Thema: ${category}`,
  failed: "Das hat nicht geklappt",
  unreachable: "Der Server ist nicht erreichbar.",
  unknown: "Der Server hat nicht geantwortet. Ob gespeichert wurde, ist nicht bekannt.",
  link_invalid: "Dieser Link öffnet nichts",
  link_expired: "Dieser Link ist zu alt",
  linkHelp: "Öffnen Sie die Seite noch einmal über die Glocke oder eine neuere E-Mail.",
  categories: { bookings: "Buchungen", reviews: "Bewertungen", jobs: "Aufträge in der Nähe", social: "Likes und Kommentare", system: "Systemmeldungen", general: "Alles andere" },
};

const fr = {
  direction: "ltr",
  title: "Ce que vous recevez par e-mail",
  lead: "Vos appareils connectés sont toujours prévenus. Un e-mail part si aucun ne confirme à temps.",
  loading: "Chargement …",
  again: "Réessayer",
  where: "Adresse",
  email: "Adresse e-mail",
  emailHint: "Vide : l’adresse de votre compte.",
  noAddress: "Ce n’est pas une adresse e-mail.",
  which: "Quelles notifications",
  save: "Enregistrer",
  saved: "Enregistré.",
  goesTo: (address) => `Les e-mails vont à ${address}.`,
  cameWith: (category) => `Vous venez d’un e-mail sur : ${category}.`,
  stop: (category) => `Plus d’e-mails sur : ${category}`,
  failed: "Cela n’a pas marché",
  unreachable: "Le serveur est injoignable.",
  unknown: "Le serveur n’a pas répondu : on ne sait pas si cela a été enregistré.",
  link_invalid: "Ce lien n’ouvre rien",
  link_expired: "Ce lien est trop ancien",
  linkHelp: "Rouvrez la page depuis la cloche ou un e-mail plus récent.",
  categories: { bookings: "Réservations", reviews: "Avis", jobs: "Missions à proximité", social: "J’aime et commentaires", system: "Messages système", general: "Tout le reste" },
};

const es = {
  direction: "ltr",
  title: "Lo que recibe por correo",
  lead: "Sus dispositivos abiertos reciben siempre el aviso. El correo llega si ninguno lo confirma a tiempo.",
  loading: "Cargando …",
  again: "Intentar de nuevo",
  where: "Adónde",
  email: "Correo electrónico",
  emailHint: "Vacío: la dirección de su cuenta.",
  noAddress: "Esto no es una dirección de correo.",
  which: "Qué notificaciones",
  save: "Guardar",
  saved: "Guardado.",
  goesTo: (address) => `El correo va a ${address}.`,
  cameWith: (category) => `Viene de un correo sobre: ${category}.`,
  stop: (category) => `No más correos sobre: ${category}`,
  failed: "No ha funcionado",
  unreachable: "No se puede acceder al servidor.",
  unknown: "El servidor no ha respondido: no se sabe si se ha guardado.",
  link_invalid: "Este enlace no abre nada",
  link_expired: "Este enlace es demasiado antiguo",
  linkHelp: "Abra la página de nuevo desde la campana o desde un correo más reciente.",
  categories: { bookings: "Reservas", reviews: "Reseñas", jobs: "Trabajos cercanos", social: "Me gusta y comentarios", system: "Mensajes del sistema", general: "Todo lo demás" },
};

const ar = {
  direction: "rtl",
  title: "ما يصلك بالبريد الإلكتروني",
  lead: "تُبلَّغ أجهزتك المفتوحة دائمًا. يُرسَل البريد عندما لا يؤكد أيٌّ منها في الوقت المناسب.",
  loading: "جارٍ التحميل …",
  again: "حاول مرة أخرى",
  where: "إلى أين",
  email: "عنوان البريد الإلكتروني",
  emailHint: "فارغ: عنوان حسابك.",
  noAddress: "هذا ليس عنوان بريد إلكتروني.",
  which: "أي إشعارات",
  save: "حفظ",
  saved: "تم الحفظ.",
  goesTo: (address) => `يُرسَل البريد إلى \u2068${address}\u2069.`,
  cameWith: (category) => `جئت من رسالة عن: ${category}.`,
  stop: (category) => `لا مزيد من الرسائل عن: ${category}`,
  failed: "لم ينجح ذلك",
  unreachable: "تعذر الوصول إلى الخادم.",
  unknown: "لم يردّ الخادم، فلا يُعرف هل تم الحفظ.",
  link_invalid: "هذا الرابط لا يفتح شيئًا",
  link_expired: "هذا الرابط قديم جدًا",
  linkHelp: "افتح الصفحة من الجرس مرة أخرى أو من رسالة أحدث.",
  categories: { bookings: "الحجوزات", reviews: "التقييمات", jobs: "أعمال قريبة", social: "الإعجابات والتعليقات", system: "رسائل النظام", general: "كل ما عدا ذلك" },
};

const all = { en, de, fr, es, ar };

// The first of the reader's languages that is spoken here.
export function languageOf(wanted) {
  const spoken = wanted.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => tag in all);
  return spoken ?? "en";
}

// A category that a platform made up is shown by its name.
export function textsOf(language) {
  const texts = all[language];
  const named = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll(/[-_]/g, " ");
  return { ...texts, category: (name) => (Object.hasOwn(texts.categories, name) ? texts.categories[name] : named(name)) };
}
