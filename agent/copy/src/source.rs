//! A path on the medium → the trees of the store paths in it: an image's, or a folder's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::folder::FolderReader;
use crate::squashfs::{FileMedium, Image, Reader, Reference};
use crate::store_path::StorePath;
use crate::visit::Visit;

/// Holds store paths.
pub enum Source {
    /// A squashfs image, with the store paths in its root folder.
    Image(Image<FileMedium>),
    /// A folder with the store paths in it.
    Folder(PathBuf),
}

/// Where a store path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Inode(Reference),
    Folder,
}

/// Reads it, in one thread.
pub(crate) enum SourceReader<'a> {
    Image(Reader<'a, FileMedium>),
    Folder(&'a Path, FolderReader),
}

impl Source {
    /// Opens an image or a folder.
    ///
    /// # Errors
    /// It is not there, can't be read, or is an image of another kind.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("cannot read the image {}", path.display()))?;
        if metadata.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        Image::open(path).map(Self::Image)
    }

    pub(crate) fn reader(&self) -> Result<SourceReader<'_>> {
        Ok(match self {
            Self::Image(image) => SourceReader::Image(image.reader()?),
            Self::Folder(path) => SourceReader::Folder(path, FolderReader::new()),
        })
    }

    /// Finds every one of `paths`, in their order.
    ///
    /// # Errors
    /// One is missing.
    pub(crate) fn find(&self, paths: &[&StorePath]) -> Result<Vec<Place>> {
        let missing =
            |path: &StorePath| format!("{path} is not on the medium: it is damaged or incomplete");
        match self {
            Self::Image(image) => {
                let mut wanted: HashMap<&[u8], Option<Reference>> =
                    paths.iter().map(|path| (path.name().as_bytes(), None)).collect();
                let found = image
                    .reader()?
                    .roots(|name| wanted.contains_key(name))
                    .context("the image's list of store paths can't be read")?;
                for (name, reference) in &found {
                    wanted.insert(name, Some(*reference));
                }
                let place = |path: &&StorePath| {
                    let reference = wanted.get(path.name().as_bytes()).copied().flatten();
                    reference.map(Place::Inode).with_context(|| missing(path))
                };
                paths.iter().map(place).collect()
            }
            Self::Folder(folder) => {
                for path in paths {
                    if folder.join(path.name()).symlink_metadata().is_err() {
                        bail!(missing(path));
                    }
                }
                Ok(vec![Place::Folder; paths.len()])
            }
        }
    }
}

impl SourceReader<'_> {
    /// Tells the tree of a store path.
    ///
    /// # Errors
    /// It can't be read; or `visit`'s.
    pub(crate) fn walk(
        &mut self,
        path: &StorePath,
        place: Place,
        visit: &mut impl Visit,
    ) -> Result<()> {
        let name = path.name();
        match (self, place) {
            (Self::Image(reader), Place::Inode(reference)) => {
                reader.walk(reference, name.as_bytes(), visit)
            }
            (Self::Folder(folder, reader), _) => {
                reader.walk(&folder.join(name), name.as_bytes(), visit)
            }
            (Self::Image(_), Place::Folder) => bail!("{path} is in no image"),
        }
    }
}
